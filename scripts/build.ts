/**
 * Builds the outputs that are older than their sources: the pages (dist/pages), the Worker (dist/worker, the bundle that `wrangler deploy`
 * uploads), the parts of wrangler.toml and the migrations that the local service reads (dist/config), and on request the package that other
 * projects install. Each output is replaced as a whole, so that a server which starts meanwhile never reads half of it.
 */
import { execFile } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { BuildOptions } from "esbuild";
import { bundlePages } from "./bundle-pages.ts";
import { inTurn } from "./in-turn.ts";
import { buildConfig, CONFIG_INPUTS } from "./local-config.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const everywhere = ["package-lock.json", "scripts/build.ts"];

/** Brings dist/ up to date; takes a few milliseconds when it already is. */
export async function build(): Promise<void> {
  await buildPages();
  await unlessFresh("worker", ["src/**", "wrangler.toml", ...everywhere], buildWorker);
  await unlessFresh("config", [...CONFIG_INPUTS, ...everywhere], buildConfig);
}

/** Brings dist/pages up to date. */
export async function buildPages(): Promise<void> {
  mkdirSync(join(dist, "pages"), { recursive: true });
  const inputs = ["src/{pages,client,contract,core}/**", "scripts/bundle-pages.ts", ...everywhere];
  await unlessFresh("pages", inputs, (out) => bundlePages(join(root, "src/pages"), out));
}

/** Brings dist/strict up to date: what `serve --strict` puts around the Worker. */
export async function buildStrict(): Promise<void> {
  mkdirSync(dist, { recursive: true });
  await unlessFresh("strict", ["scripts/strict/**", ...everywhere], buildStrictModule);
}

/** Brings other projects' package up to date: dist/lovage, dist/client (one module without dependencies), dist/react, dist/command, dist/migrations. */
export async function buildPackage(): Promise<void> {
  mkdirSync(dist, { recursive: true });
  const types = ["scripts/types.tsconfig.json", "tsconfig.json", ...everywhere];
  await unlessFresh("lovage", ["src/**", ...types], buildLibrary);
  await unlessFresh("client", ["src/{client,contract,core}/**", ...everywhere], buildModule);
  await unlessFresh("react", ["src/{react,client,contract,core}/**", ...everywhere], buildReact);
  await unlessFresh("command", ["command/**", "src/**", "test/tools/package.json", ...everywhere], buildCommand);
  await unlessFresh("migrations", ["src/results/migrations/*.sql", ...everywhere], copyMigrations);
}

/** The client's size in a page, in bytes: bundled, minified and gzipped. */
export async function clientSize(): Promise<number> {
  const esbuild = await import("esbuild");
  const { outputFiles } = await esbuild.build({ ...moduleOptions, ...CLIENT, minify: true, write: false });
  return gzipSync(outputFiles[0].contents).length;
}

/** What the hooks add to the client in a page, in bytes: minified and gzipped. */
export async function reactSize(): Promise<number> {
  const esbuild = await import("esbuild");
  const { outputFiles } = await esbuild.build({ ...moduleOptions, ...REACT, minify: true, write: false });
  return gzipSync(outputFiles[0].contents).length;
}

/** What the dashboard loads first, in bytes gzipped; the pages must be built. */
export function dashboardSize(): number {
  const files = [join(dist, "pages/dashboard.html"), ...globSync(join(dist, "pages/assets/dashboard-*"))];
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
}

async function unlessFresh(name: string, inputs: string[], make: (out: string) => Promise<void>): Promise<void> {
  const out = join(dist, name);
  const stamp = join(dist, `.${name}-built`);
  const isFresh = () => existsSync(stamp) && existsSync(out) && newest(inputs) <= statSync(stamp).mtimeMs;
  if (isFresh()) return;
  // Waits for another process that builds the same.
  await inTurn(join(dist, `.${name}-lock`), async () => {
    if (!isFresh()) await makeAnew(out, stamp, make);
  });
}

async function makeAnew(out: string, stamp: string, make: (out: string) => Promise<void>): Promise<void> {
  const startedAt = new Date();
  const fresh = join(dist, `.${basename(out)}-${process.pid}`);
  const old = `${fresh}-old`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  await make(fresh);
  try {
    if (existsSync(out)) renameSync(out, old);
    renameSync(fresh, out);
  } catch (error) {
    // Another build has just put its output there. This one writes no stamp, so the next build checks again.
    if (existsSync(out)) return;
    throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
  // The stamp has the time at which the build began, so a source that changed during the build is built again.
  writeFileSync(stamp, "");
  utimesSync(stamp, startedAt, startedAt);
}

/** The time of the latest change below the given patterns. Directories count, so that a removed file is noticed too. */
function newest(patterns: string[]): number {
  const paths = globSync(patterns, { cwd: root });
  return Math.max(0, ...paths.map((path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0));
}

async function buildWorker(out: string): Promise<void> {
  const wrangler = join(root, "node_modules/wrangler/bin/wrangler.js");
  await promisify(execFile)(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", out], {
    cwd: root,
    env: {
      ...process.env,
      WRANGLER_SEND_METRICS: "false",
      WRANGLER_WRITE_LOGS: "false",
      NO_COLOR: "1",
      FORCE_COLOR: "0",
    },
  });
}

const moduleOptions = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "neutral",
  mainFields: ["module", "main"],
  target: "es2022",
  logLevel: "warning",
} as const satisfies BuildOptions;

/** One module without dependencies. */
const CLIENT = { entryPoints: { index: "src/client/index.ts" } } as const;

/** `lovage/react` beside `lovage/client`, which it imports; React is the page's own. */
const REACT = {
  entryPoints: { index: "src/react/index.ts" },
  external: ["react"],
  plugins: [
    {
      name: "beside-the-client",
      setup: (build) =>
        build.onResolve({ filter: /\/client\/index\.ts$/ }, () => ({ path: "lovage/client", external: true })),
    },
  ],
} satisfies BuildOptions;

/** Modules that share others; packages stay imports, so that user and library share one zod. */
const LIBRARY = {
  packages: "external",
  splitting: true,
  chunkNames: "shared/[name]-[hash]",
} as const satisfies BuildOptions;

async function buildStrictModule(out: string): Promise<void> {
  const esbuild = await import("esbuild");
  await esbuild.build({
    ...moduleOptions,
    entryPoints: { index: "scripts/strict/runtime/index.ts" },
    outdir: out,
    external: ["cloudflare:*", "node:*"],
  });
}

async function buildModule(out: string): Promise<void> {
  const esbuild = await import("esbuild");
  await esbuild.build({ ...moduleOptions, ...CLIENT, outdir: out, sourcemap: true });
}

async function buildReact(out: string): Promise<void> {
  const esbuild = await import("esbuild");
  await esbuild.build({ ...moduleOptions, ...REACT, outdir: out, sourcemap: true });
}

/** Builds `lovage` and `lovage/testing`. */
async function buildLibrary(out: string): Promise<void> {
  const esbuild = await import("esbuild");
  await esbuild.build({
    ...moduleOptions,
    ...LIBRARY,
    entryPoints: { index: "src/lovage.ts", anywhere: "src/anywhere.ts", testing: "src/testing/run-task.ts" },
    outdir: out,
    target: "es2024",
    sourcemap: true,
  });
  const types = join(out, "types");
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", "scripts/types.tsconfig.json", "--outDir", types], {
    cwd: root,
  });
  // The type of the bindings comes from the project that uses the package.
  const definition = join(types, "core/task.d.ts");
  writeFileSync(
    join(types, "env.d.ts"),
    "/** A Worker's bindings: the project adds what it has. */\ninterface Env {}\n",
  );
  writeFileSync(definition, `/// <reference path="../env.d.ts" />\n${readFileSync(definition, "utf8")}`);
}

/** Builds the command `lovage`, which runs on the caller's Node. */
async function buildCommand(out: string): Promise<void> {
  const esbuild = await import("esbuild");
  await esbuild.build({
    ...moduleOptions,
    ...LIBRARY,
    entryPoints: { lovage: "command/lovage.ts" },
    outdir: out,
    platform: "node",
    target: "node22",
  });
  chmodSync(join(out, "lovage.js"), 0o755);
}

async function copyMigrations(out: string): Promise<void> {
  for (const file of globSync(join(root, "src/results/migrations/*.sql")))
    copyFileSync(file, join(out, basename(file)));
}

// Node 24.0 knows no `import.meta.main`.
if (import.meta.main ?? process.argv[1] === import.meta.filename) {
  await build();
  await buildPackage();
  console.log(`lovage/client: ${await clientSize()} bytes gzipped`);
  console.log(`lovage/react: ${await reactSize()} bytes gzipped`);
  console.log(`dashboard: ${dashboardSize()} bytes gzipped`);
}
