/** The service on a directory, with the rows counted that each call reads. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare, type V4WorkerOptions } from "miniflare";
import { applyMigrations } from "../../command/dev/database.ts";
import { STATE } from "../../command/dev/state-files.ts";
import { readLocalConfig } from "../../scripts/local-config.ts";
import { sealKeyIn } from "../../scripts/seal-key.ts";
import { openHttp, type Http } from "../load/http.ts";
import { bundleWorker } from "../subjects/bundle.ts";

const root = join(import.meta.dirname, "../..");

/** As long as a deployment's must be. */
export const KEY = "questions-of-an-operator-0123456789";

const PAGES = "pages";
const READY_WITHIN_MS = 60_000;

/** What one call has read in D1. `most`: by one statement. */
export type Reads = { method: string; path: string; statements: number; rows: number; most: number };

export type Counted = {
  url: string;
  http: Http;
  /** The calls since it was asked before. */
  reads(): Promise<Reads[]>;
  stop(): Promise<void>;
};

/** Starts it; the build must be there. */
export async function startCounted(persist: string): Promise<Counted> {
  const miniflare = new Miniflare(await optionsFor(persist));
  const url = `http://127.0.0.1:${(await miniflare.ready).port}`;
  const http = openHttp(url, 16, { authorization: `Bearer ${KEY}` });
  await applyMigrations(miniflare, readLocalConfig().migrations);
  await (await miniflare.getWorker()).scheduled({ cron: "* * * * *" });
  const deadline = Date.now() + READY_WITHIN_MS;
  while ((await http.get("/health")).status !== 200) {
    if (Date.now() > deadline) throw new Error("the service does not become healthy");
    await new Promise((done) => setTimeout(done, 200));
  }
  return {
    url,
    http,
    reads: async () => JSON.parse((await http.get("/__reads")).text) as Reads[],
    stop: async () => {
      await http.close();
      await miniflare.dispose();
    },
  };
}

/** The options of `npm run serve`, with the counting Worker around the built one. */
async function optionsFor(persist: string) {
  const { config, worker } = readLocalConfig();
  const { assets, serviceBindings, ...rest } = worker as V4WorkerOptions;
  const own = [
    { name: "reads.js", contents: await bundleWorker("reads.ts") },
    { name: "built-worker.js", contents: readFileSync(join(root, "dist/worker/index.js"), "utf8") },
  ];
  const pages = `export default { fetch: (request, env) => env.${assets?.binding}.fetch(request) };`;
  const modules = (files: typeof own) =>
    files.map(({ name, contents }) => ({ type: "ESModule" as const, path: join(root, name), contents }));
  return convertV4MiniflareOptions({
    workers: [
      {
        ...rest,
        name: config.name ?? "lovage",
        modules: modules(own),
        modulesRoot: root,
        bindings: {
          ...config.vars,
          API_KEY: KEY,
          SEAL_KEY: sealKeyIn(persist),
          FIXTURES: "1",
          BOOT_AT: String(Date.now()),
        },
        serviceBindings: { ...serviceBindings, [assets?.binding ?? "ASSETS"]: PAGES },
      },
      {
        name: PAGES,
        compatibilityDate: worker.compatibilityDate,
        modules: modules([{ name: "pages.js", contents: pages }]),
        modulesRoot: root,
        assets,
      } as V4WorkerOptions,
    ],
    host: "127.0.0.1",
    port: 0,
    resourcePersistencePath: join(persist, STATE),
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    unsafeLocalExplorer: false,
    unsafeObservability: false,
  });
}
