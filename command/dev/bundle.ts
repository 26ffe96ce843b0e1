/** Bundles the Worker again and again, as `wrangler deploy` would: the same esbuild with the same conditions. */

import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { BuildContext, BuildResult, Message, Metafile, Plugin } from "esbuild";
import { Failure } from "../failure.ts";
import type { Tools } from "../project.ts";

export interface Bundle {
  code: string;
  /** The source map, as JSON text. */
  map: string;
  /** Modules beside the code, such as `.wasm`: by the name that the code imports. */
  assets: { name: string; type: "CompiledWasm" | "Data"; contents: Uint8Array }[];
  /** Paths of the files that it was made of, from the project's root. */
  inputs: string[];
}

export interface Bundler {
  /** Throws a `Failure` that names file, line and mistake. */
  bundle(): Promise<Bundle>;
  stop(): Promise<void>;
}

/** The name of the one module, in the stacks of errors too. */
export const MODULE = "worker.js";

const OUT = "/lovage-bundle";

export async function createBundler(
  { esbuild }: Pick<Tools, "esbuild">,
  root: string,
  main: string,
  define: Record<string, string> = {},
): Promise<Bundler> {
  const assets = new Map<string, Bundle["assets"][number]>();
  const context: BuildContext = await esbuild.context({
    absWorkingDir: root,
    entryPoints: [main],
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    mainFields: ["workerd", "worker", "browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    loader: { ".txt": "text", ".html": "text", ".sql": "text", ".jsx": "jsx" },
    keepNames: true,
    // Halves what a swap has to write and to parse; stacks are mapped anyway.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: "external",
    sourcesContent: false,
    metafile: true,
    write: false,
    outfile: join(OUT, MODULE),
    logLevel: "silent",
    define: { "process.env.NODE_ENV": '"development"', ...define },
    plugins: [builtins(), binaries(assets)],
  });
  return {
    async bundle() {
      assets.clear();
      let result: BuildResult;
      try {
        result = await context.rebuild();
      } catch (error) {
        const [first] = (error as { errors?: Message[] }).errors ?? [];
        if (first === undefined) throw error;
        throw new Failure(sentence(first));
      }
      const text = (end: string) => result.outputFiles!.find(({ path }) => path.endsWith(end))!.text;
      const inputs = Object.keys((result.metafile as Metafile).inputs);
      return { code: text(MODULE), map: text(`${MODULE}.map`), assets: [...assets.values()], inputs };
    },
    stop: () => context.dispose(),
  };
}

function sentence({ text, location }: Message): string {
  if (location === null) return text;
  return `${location.file}:${location.line}:${location.column + 1}: ${text}\n    ${location.lineText.trim()}`;
}

/** Node's modules by their names without `node:`, as packages import them. */
function builtins(): Plugin {
  const names =
    /^(assert|async_hooks|buffer|crypto|diagnostics_channel|dns|events|fs|http|https|net|os|path|perf_hooks|process|punycode|querystring|readline|stream|string_decoder|timers|tls|url|util|worker_threads|zlib)(\/.*)?$/;
  return {
    name: "node-builtins",
    setup: (build) => build.onResolve({ filter: names }, ({ path }) => ({ path: `node:${path}`, external: true })),
  };
}

/** WebAssembly and data stay modules of their own, as the platform wants them. */
function binaries(assets: Map<string, Bundle["assets"][number]>): Plugin {
  return {
    name: "binary-modules",
    setup: (build) =>
      build.onResolve({ filter: /\.(wasm|bin)(\?module)?$/ }, ({ path, resolveDir }) => {
        const file = resolve(resolveDir, path.replace(/\?module$/, ""));
        const name = `./${relative(dirname(dirname(file)), file).replaceAll(/[^\w.-]/g, "-")}`;
        const type = file.endsWith(".wasm") ? ("CompiledWasm" as const) : ("Data" as const);
        assets.set(name, { name: name.slice(2), type, contents: readFileSync(file) });
        return { path: name, external: true };
      }),
  };
}
