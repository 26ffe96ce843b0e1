/** Bundles the benchmark's own Workers, each into one module. */
import { join } from "node:path";

/** `name`: a file of `bench/runtime`. Imports of `built-worker` stay imports: the module of that name is put beside the bundle. */
export async function bundleWorker(name: string): Promise<string> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "../runtime", name)],
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2024",
    logLevel: "warning",
    external: ["cloudflare:*", "node:*", "./built-worker.js"],
    alias: { "built-worker": "./built-worker.js" },
  });
  return outputFiles[0].text;
}
