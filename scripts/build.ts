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
import { basename, isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { InlineConfig } from "vite";
import { inTurn } from "./in-turn.ts";
import { buildConfig, CONFIG_INPUTS } from "./local-config.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const everywhere = ["package-lock.json", "scripts/build.ts"];

/** A user who starts the service needs no timings of plugins. */
const QUIET = { bundlerTimings: false } as const;

/** Brings dist/ up to date; takes a few milliseconds when it already is. */
export async function build(): Promise<void> {
  await buildPages();
  await unlessFresh("worker", ["src/**", "wrangler.toml", ...everywhere], buildWorker);
  await unlessFresh("config", [...CONFIG_INPUTS, ...everywhere], buildConfig);
}

/** Brings dist/pages up to date. */
export async function buildPages(): Promise<void> {
  mkdirSync(join(dist, "pages"), { recursive: true });
  await unlessFresh("pages", ["src/{pages,client,contract,core}/**", ...everywhere], bundlePages);
}

/** Brings dist/strict up to date: what `serve --strict` puts around the Worker. */
export async function buildStrict(): Promise<void> {
  mkdirSync(dist, { recursive: true });
  await unlessFresh("strict", ["scripts/strict/**", ...everywhere], buildStrictModule);
}

/** Brings other projects' package up to date: dist/lovage, dist/client (one module without dependencies), dist/command, dist/migrations. */
export async function buildPackage(): Promise<void> {
  mkdirSync(dist, { recursive: true });
  const types = ["scripts/types.tsconfig.json", "tsconfig.json", ...everywhere];
  await unlessFresh("lovage", ["src/**", ...types], buildLibrary);
  await unlessFresh("client", ["src/{client,contract,core}/**", ...everywhere], buildModule);
  await unlessFresh("command", ["command/**", "src/**", "scripts/*.ts", ...everywhere], buildCommand);
  await unlessFresh("migrations", ["src/results/migrations/*.sql", ...everywhere], copyMigrations);
}

/** The client's size in a page, in bytes: bundled, minified and gzipped. */
export async function clientSize(): Promise<number> {
  const vite = await import("vite");
  const [bundle] = (await vite.build({
    ...moduleOptions,
    build: { ...moduleOptions.build, rolldownOptions: { output: { minify: true }, checks: QUIET }, write: false },
  })) as {
    output: { code: string }[];
  }[];
  return gzipSync(bundle.output[0].code).length;
}

/** What the dashboard loads first, in bytes gzipped; the pages must be built. */
export function dashboardSize(): number {
  const files = [
    join(dist, "pages/dashboard.html"),
    ...globSync(join(dist, "pages/assets/{dashboard,rolldown-runtime}-*")),
  ];
  return files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
}

async function unlessFresh(name: string, inputs: string[], make: (out: string) => Promise<void>): Promise<void> {
  const out = join(dist, name);
  const stamp = join(dist, `.${name}-built`);
  const isFresh = () => existsSync(stamp) && existsSync(out) && newest(inputs) <= statSync(stamp).mtimeMs;
  if (isFresh()) return;
  // Another process that builds the same is waited for.
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

async function bundlePages(out: string): Promise<void> {
  const pages = join(root, "src/pages");
  const input = globSync("**/*.html", { cwd: pages }).map((page) => join(pages, page));
  if (input.length === 0) return;
  const vite = await import("vite");
  await vite.build({
    root: pages,
    logLevel: "warn",
    // The Content-Security-Policy allows neither inline scripts nor data: addresses.
    build: {
      outDir: out,
      emptyOutDir: false,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      // Swagger UI is that large, and only /docs loads it.
      chunkSizeWarningLimit: 2_000,
      rolldownOptions: { input, checks: QUIET },
    },
  });
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
  root,
  configFile: false,
  publicDir: false,
  logLevel: "warn",
  build: {
    emptyOutDir: false,
    minify: false,
    target: "es2022",
    rolldownOptions: { checks: QUIET },
    lib: { entry: join(root, "src/client/index.ts"), formats: ["es"], fileName: () => "index.js" },
  },
} as const satisfies InlineConfig;

async function buildStrictModule(out: string): Promise<void> {
  const vite = await import("vite");
  const entry = join(root, "scripts/strict/runtime/index.ts");
  await vite.build({
    ...moduleOptions,
    build: {
      ...moduleOptions.build,
      outDir: out,
      lib: { ...moduleOptions.build.lib, entry },
      rolldownOptions: { checks: QUIET, external: [/^cloudflare:/, /^node:/] },
    },
  });
}

async function buildModule(out: string): Promise<void> {
  const vite = await import("vite");
  await vite.build({ ...moduleOptions, build: { ...moduleOptions.build, outDir: out, sourcemap: true } });
}

/** Builds `lovage` and `lovage/testing`, which share modules; packages stay imports, so that user and library share one zod. */
async function buildLibrary(out: string): Promise<void> {
  const vite = await import("vite");
  const entry = { index: "src/lovage.ts", anywhere: "src/anywhere.ts", testing: "src/testing/run-task.ts" };
  await vite.build({
    ...moduleOptions,
    build: {
      ...moduleOptions.build,
      outDir: out,
      target: "es2024",
      sourcemap: true,
      lib: { entry, formats: ["es"] },
      rolldownOptions: {
        checks: QUIET,
        external: isPackage,
        output: { entryFileNames: "[name].js", chunkFileNames: "shared/[name].js" },
      },
    },
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

/** Whether an import names a package, not a file. */
function isPackage(source: string): boolean {
  return !source.startsWith(".") && !isAbsolute(source);
}

/** Builds the command `lovage`, which runs on the Node of whoever calls it; packages stay imports. */
async function buildCommand(out: string): Promise<void> {
  const vite = await import("vite");
  await vite.build({
    ...moduleOptions,
    build: {
      ...moduleOptions.build,
      outDir: out,
      target: "node22",
      lib: { entry: { lovage: join(root, "command/lovage.ts") }, formats: ["es"] },
      rolldownOptions: {
        checks: QUIET,
        external: isPackage,
        output: { entryFileNames: "[name].js", chunkFileNames: "shared/[name].js" },
      },
    },
  });
  chmodSync(join(out, "lovage.js"), 0o755);
}

async function copyMigrations(out: string): Promise<void> {
  for (const file of globSync(join(root, "src/results/migrations/*.sql")))
    copyFileSync(file, join(out, basename(file)));
}

if (import.meta.main) {
  await build();
  await buildPackage();
  console.log(`lovage/client: ${await clientSize()} bytes gzipped`);
  console.log(`dashboard: ${dashboardSize()} bytes gzipped`);
}
