/** wrangler.toml and the migrations as the local service takes them: read by wrangler when something is built, because loading wrangler costs half of a start. */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Unstable_Config, unstable_getMiniflareWorkerOptions } from "wrangler";
import type { Plan } from "./plan-config.ts";

const root = join(import.meta.dirname, "..");

export const CONFIG_INPUTS = [
  "wrangler.toml",
  "src/results/migrations/*.sql",
  "scripts/{local,plan}-config.ts",
  "src/core/plan.ts",
];

/** The names that the local runtime keeps the databases under. Another name is another database, and an empty one. */
const LOCAL_DATABASES = { paid: "00000000-0000-0000-0000-000000000000", free: "DB" };

export type LocalConfig = {
  /** wrangler.toml itself, or what the free plan makes of it. */
  config: Unstable_Config;
  /** The same as Miniflare's options. */
  worker: ReturnType<typeof unstable_getMiniflareWorkerOptions>["workerOptions"];
  /** In their order, each as its statements. */
  migrations: { name: string; statements: string[] }[];
};

/** What the last build has read. */
export function readLocalConfig(plan: Plan = "paid"): LocalConfig {
  return JSON.parse(readFileSync(join(root, `dist/config/${plan}.json`), "utf8")) as LocalConfig;
}

/** Reads it all, for each plan into a file in the folder `out`. */
export async function buildConfig(out: string): Promise<void> {
  // Wrangler's reader would announce the .dev.vars that is not used here.
  process.env["WRANGLER_LOG"] ??= "warn";
  const { unstable_getMiniflareWorkerOptions, unstable_readConfig, unstable_splitSqlQuery } = await import("wrangler");
  const { planConfig, writePlanConfig } = await import("./plan-config.ts");
  const migrations = globSync(join(root, "src/results/migrations/*.sql"))
    .toSorted()
    .map((file) => ({ name: basename(file), statements: unstable_splitSqlQuery(readFileSync(file, "utf8")) }));
  const files = { paid: join(root, "wrangler.toml"), free: writePlanConfig("free", planConfig("free")) };
  for (const [plan, file] of Object.entries(files)) {
    const config = unstable_readConfig({ config: file });
    // The bindings would bring what .dev.vars says; the modules are named by the service itself.
    const { bindings: _, modulesRules: __, ...worker } = unstable_getMiniflareWorkerOptions(config).workerOptions;
    worker.d1Databases = { DB: { id: LOCAL_DATABASES[plan as Plan] } };
    const local = { config, worker, migrations } satisfies LocalConfig;
    writeFileSync(join(out, `${plan}.json`), JSON.stringify(local));
  }
}
