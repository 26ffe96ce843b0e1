/** The parts of a deployment: its configurations for wrangler, the names of its resources, its migrations, and its fingerprint. */
import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Unstable_RawConfig } from "wrangler";
import { PLANS, planConfig, writePlanConfig, type Plan } from "./plan-config.ts";

const root = join(import.meta.dirname, "..");

export const LOCATIONS = ["wnam", "enam", "weur", "eeur", "apac", "oc"] as const;

const MIGRATIONS = "src/results/migrations";

/** The migrations of before the upload: files without a second dot, so none that end in `.contract.sql`. */
const EXPAND = `${MIGRATIONS}/+([!.]).sql`;

const ENVIRONMENT = /^[a-z][a-z0-9-]{0,19}$/;

/** The sources of the uploaded Worker, beside its configuration. */
const SOURCES = ["src/**", "dist/pages/**", "package-lock.json"];

export interface DeployOptions {
  plan: Plan;
  /** Where the database and the objects are created; if absent, the platform chooses. */
  location?: (typeof LOCATIONS)[number];
  /** The name of a separate deployment in the same account, such as `staging`. */
  env?: string;
}

export interface Deployment {
  config: Unstable_RawConfig;
  /** The Worker's name. */
  name: string;
  database: string;
  queues: string[];
  /** Path of the configuration that names the migrations of before the upload, and of the one that names all. */
  expand: string;
  contract: string;
  /** The migrations of before the upload, and those of after it. */
  migrations: { expand: string[]; contract: string[] };
  location?: string;
  /** The same for the same code and configuration; the uploaded version carries it as its tag, which has room for 25 characters. */
  fingerprint: string;
}

/** The options of the command line. Throws an error that names the valid values. */
export function optionsOf(given: Record<string, string | boolean | undefined>, usage: string): DeployOptions {
  const plan = PLANS.find((each) => each === (given["plan"] ?? "paid"));
  const location = LOCATIONS.find((each) => each === given["location"]);
  if (plan === undefined || location !== given["location"]) throw new Error(usage);
  const env = given["env"];
  if (env !== undefined && !(typeof env === "string" && ENVIRONMENT.test(env))) {
    throw new Error("--env takes up to 20 of a-z, 0-9 and -, such as staging");
  }
  return { plan, ...(location === undefined ? {} : { location }), ...(env === undefined ? {} : { env }) };
}

/** Writes the configuration of a deployment and returns the deployment. */
export function prepareDeployment({ plan, location, env }: DeployOptions): Deployment {
  const changes: [string, unknown][] = location === undefined ? [] : [["vars.LOCATION", location]];
  const config = planConfig(plan, changes, env);
  const expand = planConfig(plan, [...changes, ["d1_databases.*.migrations_pattern", EXPAND]], env);
  const { producers = [], consumers = [] } = config.queues ?? {};
  const file = [plan, env].filter(Boolean).join(".");
  const files = globSync(join(root, MIGRATIONS, "*.sql"))
    .map((path) => basename(path))
    .toSorted();
  return {
    config,
    name: config.name ?? "",
    database: config.d1_databases?.[0]?.database_name ?? "",
    queues: [...new Set([...producers, ...consumers].map(({ queue }) => queue ?? ""))],
    expand: writePlanConfig(`${file}.expand`, expand),
    contract: writePlanConfig(file, config),
    migrations: {
      expand: files.filter((name) => !name.endsWith(".contract.sql")),
      contract: files.filter((name) => name.endsWith(".contract.sql")),
    },
    fingerprint: fingerprintOf(expand),
    ...(location === undefined ? {} : { location }),
  };
}

function fingerprintOf(config: Unstable_RawConfig): string {
  const hash = createHash("sha256").update(JSON.stringify(config));
  for (const path of globSync(SOURCES, { cwd: root }).toSorted()) {
    if (statSync(join(root, path)).isFile()) hash.update(`\n${path}\n`).update(readFileSync(join(root, path)));
  }
  return `lovage-${hash.digest("hex").slice(0, 16)}`;
}
