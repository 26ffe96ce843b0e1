/** wrangler.toml and the migrations for the local service. wrangler reads them at build time, because loading it takes half of a start. */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Unstable_Config, unstable_getMiniflareWorkerOptions } from "wrangler";
import type { Plan } from "../command/deploy/plan-config.ts";

const root = join(import.meta.dirname, "..");

export const CONFIG_INPUTS = [
  "wrangler.toml",
  "src/results/migrations/*.sql",
  "scripts/local-config.ts",
  "command/deploy/plan-config.ts",
  "src/core/plan.ts",
];

/** The ids under which the local runtime stores the databases. With another id the database would be empty. */
const LOCAL_DATABASES = { paid: "00000000-0000-0000-0000-000000000000", free: "DB" };

export type LocalConfig = {
  /** wrangler.toml, with the free plan's changes for that plan. */
  config: Unstable_Config;
  /** The configuration as Miniflare's options. */
  worker: ReturnType<typeof unstable_getMiniflareWorkerOptions>["workerOptions"];
  /** The migrations in their order, each split into its statements. */
  migrations: { name: string; statements: string[] }[];
};

/** The configuration that the last build has read. */
export function readLocalConfig(plan: Plan = "paid"): LocalConfig {
  return JSON.parse(readFileSync(join(root, `dist/config/${plan}.json`), "utf8")) as LocalConfig;
}

/** Reads the configuration and writes it for each plan to a file in the folder `out`. */
export async function buildConfig(out: string): Promise<void> {
  // Otherwise wrangler would print that it uses .dev.vars, which is not used here.
  process.env["WRANGLER_LOG"] ??= "warn";
  const { unstable_getMiniflareWorkerOptions, unstable_readConfig, unstable_splitSqlQuery } = await import("wrangler");
  const { planConfig, writePlanConfig } = await import("../command/deploy/plan-config.ts");
  const migrations = globSync(join(root, "src/results/migrations/*.sql"))
    .toSorted()
    .map((file) => ({ name: basename(file), statements: unstable_splitSqlQuery(readFileSync(file, "utf8")) }));
  const files = { paid: join(root, "wrangler.toml"), free: writePlanConfig("free", planConfig("free")) };
  for (const [plan, file] of Object.entries(files)) {
    const config = unstable_readConfig({ config: file });
    // Left out: the bindings would contain the values of .dev.vars, and the service names the modules itself.
    const { bindings: _, modulesRules: __, ...worker } = unstable_getMiniflareWorkerOptions(config).workerOptions;
    worker.d1Databases = { DB: { id: LOCAL_DATABASES[plan as Plan] } };
    const local = { config, worker, migrations } satisfies LocalConfig;
    writeFileSync(join(out, `${plan}.json`), JSON.stringify(local));
  }
}
