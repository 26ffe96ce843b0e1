/** The parts of a deployment: its configurations for wrangler, the names of its resources, its migrations, and its fingerprint. */
import { createHash } from "node:crypto";
import { globSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Unstable_RawConfig } from "wrangler";
import { Failure } from "../failure.ts";
import { ownPackage, packageRoot } from "../package.ts";
import { databaseOf, type Project } from "../project.ts";
import { PLANS, planConfig, writePlanConfig, type ConfigFiles, type Plan } from "./plan-config.ts";

export const LOCATIONS = ["wnam", "enam", "weur", "eeur", "apac", "oc"] as const;

/** The migrations of before the upload: files without a second dot, so none that end in `.contract.sql`. */
const EXPAND = "+([!.]).sql";

const ENVIRONMENT = /^[a-z][a-z0-9-]{0,19}$/;

/** What is deployed: a project, and the sources of its Worker beside its configuration. */
export interface Source extends Project {
  sources: () => string[];
  files: ConfigFiles;
}

/** This repository. */
export function ownSource(): Source {
  const root = packageRoot();
  return {
    root,
    configPath: join(root, "wrangler.toml"),
    sources: () => globSync(["src/**", "dist/pages/**", "package-lock.json"], { cwd: root }),
    files: { path: join(root, "wrangler.toml"), made: (name) => join(root, "dist", `wrangler.${name}.json`) },
  };
}

/** A user's project: everything in it that git would keep may be a part of the Worker, and the lockfile stands for what is installed. */
export function projectSource({ root, configPath }: Project): Source {
  return {
    root,
    configPath,
    sources: () =>
      globSync("**", { cwd: root, exclude: (path) => /^(?:\..+|node_modules|dist|coverage)$/.test(basename(path)) }),
    // Beside the project's own, so that all paths in it mean the same.
    files: { path: configPath, made: (name) => join(dirname(configPath), `.lovage.${name}.json`) },
  };
}

/** Removes the configurations that were made beside a project's own. */
export function removeMade(source: Source, { expand, contract }: Deployment): void {
  if (dirname(expand) === dirname(source.configPath))
    for (const file of [expand, contract]) rmSync(file, { force: true });
}

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
  /**
   * A hash of the code and the configuration, equal where both are equal; the uploaded version carries it as its tag, which has
   * room for 25 characters.
   */
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
export function prepareDeployment({ plan, location, env }: DeployOptions, from: Source = ownSource()): Deployment {
  const changes: [string, unknown][] = location === undefined ? [] : [["vars.LOCATION", location]];
  const config = planConfig(plan, changes, env, from.files);
  const databases = config.d1_databases ?? [];
  const database = databaseOf({ d1_databases: databases });
  if (database?.migrations_dir === undefined || database.database_name === undefined) {
    throw new Failure(
      `${basename(from.configPath)} has no database with Lovage's migrations: \`npx lovage init\` adds it`,
    );
  }
  const pattern = `${database.migrations_dir}/${EXPAND}`;
  const expand = structuredClone(config);
  expand.d1_databases![databases.indexOf(database)].migrations_pattern = pattern;
  const { producers = [], consumers = [] } = config.queues ?? {};
  const file = [plan, env].filter(Boolean).join(".");
  const migrations = globSync(join(dirname(from.files.made(file)), database.migrations_dir, "*.sql"))
    .map((path) => basename(path))
    .toSorted();
  return {
    config,
    name: config.name ?? "",
    database: database.database_name,
    queues: [...new Set([...producers, ...consumers].map(({ queue }) => queue ?? ""))],
    expand: writePlanConfig(`${file}.expand`, expand, from.files),
    contract: writePlanConfig(file, config, from.files),
    migrations: {
      expand: migrations.filter((name) => !name.endsWith(".contract.sql")),
      contract: migrations.filter((name) => name.endsWith(".contract.sql")),
    },
    fingerprint: fingerprintOf(expand, migrations, from),
    ...(location === undefined ? {} : { location }),
  };
}

/** The release and the migrations are included, because a project without a lockfile does not say what it has installed. */
function fingerprintOf(config: Unstable_RawConfig, migrations: string[], { root, sources }: Source): string {
  const hash = createHash("sha256").update(JSON.stringify([config, ownPackage().version, migrations]));
  for (const path of sources().toSorted()) {
    if (statSync(join(root, path)).isFile()) hash.update(`\n${path}\n`).update(readFileSync(join(root, path)));
  }
  return `lovage-${hash.digest("hex").slice(0, 16)}`;
}
