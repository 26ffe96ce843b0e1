/** Bundles the Worker again and again, as `wrangler deploy` would: the same esbuild with the same conditions. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import type { BuildContext, BuildOptions, BuildResult, Message, Metafile, Plugin } from "esbuild";
import type { Unstable_Config } from "wrangler";
import { Failure } from "../failure.ts";
import type { Tools } from "../project.ts";
import { Libraries, type LibraryModule } from "./libraries.ts";

export interface Bundle {
  code: string;
  /** The source map, as JSON text. */
  map: string;
  /** Modules beside the code, such as `.wasm`: by the name that the code imports. */
  assets: { name: string; type: "CompiledWasm" | "Data"; contents: Uint8Array }[];
  /** The libraries that it imports. */
  modules: LibraryModule[];
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

/** Which part of a wrangler configuration is about bundling. */
export type BundleConfig = Partial<Pick<Unstable_Config, "define" | "alias" | "tsconfig" | "rules">>;

type Rules = Unstable_Config["rules"];

const OUT = "/lovage-bundle";

/** `config`: its settings for bundling are applied as `wrangler dev` applies them. */
export async function createBundler(
  { esbuild }: Pick<Tools, "esbuild">,
  root: string,
  main: string,
  { define = {}, alias = {}, tsconfig, rules = [] }: BundleConfig,
): Promise<Bundler> {
  const assets = new Map<string, Bundle["assets"][number]>();
  const options: BuildOptions = {
    absWorkingDir: root,
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2024",
    mainFields: ["workerd", "worker", "browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    loader: { ".txt": "text", ".html": "text", ".sql": "text", ".jsx": "jsx", ...textsOf(rules) },
    alias,
    ...(tsconfig === undefined ? {} : { tsconfig: resolve(root, tsconfig) }),
    keepNames: true,
    // Halves what a swap has to write and to parse; stacks are mapped anyway.
    minifyWhitespace: true,
    logLevel: "silent",
    define: { "process.env.NODE_ENV": '"development"', ...define },
    plugins: [builtins(), binaries(assets, rules)],
  };
  const libraries = new Libraries(esbuild, options);
  const context: BuildContext = await esbuild.context({
    ...options,
    entryPoints: [main],
    sourcemap: "external",
    sourcesContent: false,
    metafile: true,
    write: false,
    outfile: join(OUT, MODULE),
    plugins: [libraries.plugin, ...options.plugins!],
  });
  return {
    async bundle() {
      assets.clear();
      let result: BuildResult;
      let modules: LibraryModule[];
      try {
        result = await context.rebuild();
        modules = await libraries.modules();
      } catch (error) {
        const [first] = (error as { errors?: Message[] }).errors ?? [];
        if (first === undefined) throw error;
        throw new Failure(sentence(first));
      }
      const text = (end: string) => result.outputFiles!.find(({ path }) => path.endsWith(end))!.text;
      const inputs = Object.keys((result.metafile as Metafile).inputs);
      return { code: text(MODULE), map: text(`${MODULE}.map`), assets: [...assets.values()], modules, inputs };
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
function binaries(assets: Map<string, Bundle["assets"][number]>, rules: Rules): Plugin {
  const wasm = ["wasm", ...endsOf(rules, "CompiledWasm")];
  const ends = [...wasm, "bin", ...endsOf(rules, "Data")].map((end) => end.replaceAll(".", "\\."));
  return {
    name: "binary-modules",
    setup: (build) =>
      build.onResolve({ filter: new RegExp(`\\.(${ends.join("|")})(\\?module)?$`) }, ({ path, resolveDir }) => {
        const source = path.replace(/\?module$/, "");
        const isFile = source.startsWith(".") || source.startsWith("/");
        const file = isFile
          ? resolve(resolveDir, source)
          : createRequire(join(resolveDir, "package.json")).resolve(source);
        const name = `./${relative(dirname(dirname(file)), file).replaceAll(/[^\w.-]/g, "-")}`;
        const type = wasm.some((end) => file.endsWith(`.${end}`)) ? ("CompiledWasm" as const) : ("Data" as const);
        assets.set(name, { name: name.slice(2), type, contents: readFileSync(file) });
        return { path: name, external: true };
      }),
  };
}

/** The ends of file names that the configuration's rules import as text. */
function textsOf(rules: Rules): Record<string, "text"> {
  return Object.fromEntries(endsOf(rules, "Text").map((end) => [`.${end}`, "text"]));
}

/** The ends of file names in rules, such as `md` of a glob for all `*.md`. */
function endsOf(rules: Rules, type: Rules[number]["type"]): string[] {
  return rules
    .filter((rule) => rule.type === type)
    .flatMap(({ globs }) => globs.flatMap((glob) => /\*\.([\w.-]+)$/.exec(glob)?.[1] ?? []));
}
