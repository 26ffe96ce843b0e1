/** `node bench/subjects/serve-floor.ts bare|plain FOLDER`: one of the floor's Workers on Miniflare, set up as `npm run serve` sets up the service. */
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { bundleWorker } from "./bundle.ts";

const COMPATIBILITY_DATE = "2026-10-15";

const [name, persist] = process.argv.slice(2);
if ((name !== "bare" && name !== "plain") || persist === undefined) {
  throw new Error("usage: node bench/subjects/serve-floor.ts bare|plain FOLDER");
}

const stores = {
  d1Databases: { DB: "floor" },
  queueProducers: { BELLS: { queueName: "bells" } },
  queueConsumers: { bells: { maxBatchSize: 100, maxBatchTimeout: 0 } },
};

const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    name,
    modules: [
      { type: "ESModule", path: join(import.meta.dirname, "floor.js"), contents: await bundleWorker(`${name}.ts`) },
    ],
    modulesRoot: import.meta.dirname,
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: ["nodejs_compat"],
    ...(name === "plain" ? stores : {}),
    host: "127.0.0.1",
    port: 0,
    resourcePersistencePath: persist,
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    unsafeLocalExplorer: false,
    unsafeObservability: false,
  }),
);

const { origin } = await miniflare.ready;
if (name === "plain") await (await fetch(`${origin}/setup`, { method: "POST" })).text();

const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) void end();
}, 500).unref();
process.removeAllListeners("SIGTERM");
process.once("SIGTERM", () => void end());
process.stdout.write(`ready ${origin}\n`);

async function end(): Promise<void> {
  await miniflare.dispose();
  process.exit(0);
}
