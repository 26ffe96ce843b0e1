/**
 * Builds what is older than its sources: the pages (dist/pages) and the Worker (dist/worker, the very bundle that `wrangler deploy` uploads).
 * Each output appears whole or not at all, so that a server which starts meanwhile never reads half of it.
 */
import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const everywhere = ["package-lock.json", "scripts/build.ts"];

/** Brings dist/ up to date; costs a few milliseconds when it already is. */
export async function build(): Promise<void> {
  mkdirSync(join(dist, "pages"), { recursive: true });
  await unlessFresh("pages", ["src/{pages,client,contract,core}/**", ...everywhere], buildPages);
  await unlessFresh("worker", ["src/**", "wrangler.toml", ...everywhere], buildWorker);
}

async function unlessFresh(name: string, inputs: string[], make: (out: string) => Promise<void>): Promise<void> {
  const out = join(dist, name);
  const stamp = join(dist, `.${name}-built`);
  if (existsSync(stamp) && existsSync(out) && newest(inputs) <= statSync(stamp).mtimeMs) return;

  const startedAt = new Date();
  const fresh = join(dist, `.${name}-${process.pid}`);
  const old = `${fresh}-old`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  await make(fresh);
  try {
    if (existsSync(out)) renameSync(out, old);
    renameSync(fresh, out);
  } catch (error) {
    // Another build has just put its own there; without a stamp of ours the next one decides.
    if (existsSync(out)) return;
    throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
  // A source that changed during the build is newer than its beginning, and so gets built again.
  writeFileSync(stamp, "");
  utimesSync(stamp, startedAt, startedAt);
}

/** The latest change below the given patterns, directories included: so a removed file counts too. */
function newest(patterns: string[]): number {
  const paths = globSync(patterns, { cwd: root });
  return Math.max(0, ...paths.map((path) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0));
}

async function buildPages(out: string): Promise<void> {
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
      rolldownOptions: { input },
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

if (import.meta.main) await build();
