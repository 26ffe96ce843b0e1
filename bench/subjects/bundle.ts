/** Bundles the benchmark's own Workers, each into one module. */
import { join } from "node:path";

/** `name`: a file of `bench/runtime`. Imports of `built-worker` stay external: the module of that name is put beside the bundle. */
export async function bundleWorker(name: string): Promise<string> {
  const vite = await import("vite");
  const [bundle] = (await vite.build({
    root: join(import.meta.dirname, "../.."),
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    build: {
      write: false,
      minify: false,
      target: "es2024",
      lib: { entry: join(import.meta.dirname, "../runtime", name), formats: ["es"], fileName: () => "index.js" },
      rolldownOptions: {
        external: [/^cloudflare:/, /^node:/, "built-worker"],
        output: { paths: { "built-worker": "./built-worker.js" } },
        checks: { bundlerTimings: false },
      },
    },
  })) as { output: { code: string }[] }[];
  return bundle.output[0].code;
}
