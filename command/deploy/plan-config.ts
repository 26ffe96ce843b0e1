/**
 * Makes the configuration of a deployment from the project's own, which stays the only description of the bindings: unchanged for the
 * paid plan, changed by the rules below for the free plan. Written as JSON, for wrangler and `serve --strict --plan free`.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { experimental_readRawConfig, type Unstable_RawConfig } from "wrangler";
import { budgetOf } from "../../src/core/plan.ts";
import { packageRoot } from "../package.ts";
import { databaseOf } from "../project.ts";

export const PLANS = ["paid", "free"] as const;

export type Plan = (typeof PLANS)[number];

/** A project's configuration, and where those that are made from it are written. */
export interface ConfigFiles {
  path: string;
  made: (name: string) => string;
}

/** This repository's own. */
const OWN: ConfigFiles = {
  path: join(packageRoot(), "wrangler.toml"),
  made: (name) => join(packageRoot(), "dist", `wrangler.${name}.json`),
};

/** The free plan's limit for one database: https://developers.cloudflare.com/d1/platform/limits/ */
const FREE_D1_BYTES = 500_000_000;

const free = budgetOf({ PLAN: "free" });

/** The free plan's changes: a path and its value. `*` stands for every item of a list; undefined removes the entry. */
const FREE_RULES: readonly [path: string, value: unknown][] = [
  // The free plan refuses CPU limits: an invocation always has 10 ms of CPU.
  ["limits", undefined],
  ["vars.PLAN", "free"],
  ["vars.D1_MAX_BYTES", String(FREE_D1_BYTES)],
  // A message holds as many ids as one event may start attempts.
  ["queues.consumers.*.max_batch_size", Math.floor(free.attemptsPerEvent / free.idsPerBell)],
  // Each retry costs one of 10,000 operations a day, and the clock finds the tasks without it.
  ["queues.consumers.*.max_retries", 3],
];

/** Paths in a configuration, which are relative to the file that they stand in. */
const FILE_PATHS = ["main", "assets.directory", "d1_databases.*.migrations_dir", "d1_databases.*.migrations_pattern"];

/** Names of queues. An environment is put before them, because the end of a name says what the queue is for. */
const QUEUES = ["queues.producers.*.queue", "queues.consumers.*.queue", "queues.consumers.*.dead_letter_queue"];

/** The configuration for a plan and an environment, with paths relative to where it is written. `changes` are applied last, as the plan's rules are. */
export function planConfig(
  plan: Plan,
  changes: readonly [path: string, value: unknown][] = [],
  env?: string,
  files: ConfigFiles = OWN,
): Unstable_RawConfig {
  const { rawConfig } = experimental_readRawConfig({ config: files.path });
  const config = structuredClone(rawConfig);
  if (env !== undefined) separate(config, env);
  for (const [path, value] of [...(plan === "free" ? FREE_RULES : []), ...changes]) change(config, path, () => value);
  const up = relative(dirname(files.made(plan)), dirname(files.path))
    .split(sep)
    .join("/");
  for (const path of FILE_PATHS) {
    if (up !== "")
      change(config, path, (value) => (typeof value === "string" ? `${up}/${value.replace(/^\.\//, "")}` : value));
  }
  return config;
}

/** Whether a queue is one of Lovage's own among a project's, as the Worker knows them. */
export function isLovageQueue(name: string): boolean {
  return /(?:^|-)lovage-(?:turns-)?(?:high|default|bulk|long|dead)$/.test(name);
}

/** Gives an environment names of its own in the account: the Worker `lovage-staging` consumes the queue `staging-lovage-high`. */
function separate(config: Unstable_RawConfig, env: string): void {
  config.name = `${config.name}-${env}`;
  const database = databaseOf({ d1_databases: config.d1_databases ?? [] });
  if (database !== undefined) {
    database.database_name = `${database.database_name}-${env}`;
    // The configured id is that of the deployment without an environment.
    delete database.database_id;
  }
  const named = (name: unknown) => (typeof name === "string" && isLovageQueue(name) ? `${env}-${name}` : name);
  for (const path of QUEUES) change(config, path, named);
  // The account counts by these numbers, so two deployments with one number would share a limit.
  const own = createHash("sha256").update(env).digest().readUInt16BE() * 10_000;
  change(config, "ratelimits.*.namespace_id", (value) => String(Number(value) + own));
}

/** Writes the configuration and returns its path. */
export function writePlanConfig(name: string, config: Unstable_RawConfig, files: ConfigFiles = OWN): string {
  const file = files.made(name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`);
  return file;
}

function change(node: object, path: string, to: (value: unknown) => unknown): void {
  const [key = "", ...rest] = path.split(".");
  const fields = node as Record<string, unknown>;
  for (const name of key === "*" ? Object.keys(fields) : [key]) {
    if (rest.length > 0) {
      const inner = fields[name] ?? {};
      change(inner, rest.join("."), to);
      if (Object.keys(inner).length > 0) fields[name] = inner;
    } else {
      const value = to(fields[name]);
      if (value === undefined) delete fields[name];
      else fields[name] = value;
    }
  }
}
