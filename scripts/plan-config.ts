/**
 * Makes the configuration of a deployment from wrangler.toml, which stays the only description of the bindings: unchanged for the
 * paid plan, changed by the rules below for the free plan. Written below dist/ as JSON, for wrangler and `serve --strict --plan free`.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { experimental_readRawConfig, type Unstable_RawConfig } from "wrangler";
import { budgetOf } from "../src/core/plan.ts";

export const PLANS = ["paid", "free"] as const;

export type Plan = (typeof PLANS)[number];

const root = join(import.meta.dirname, "..");

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

/** Paths in wrangler.toml, which are relative to the file that they stand in. */
const FILE_PATHS = ["main", "assets.directory", "d1_databases.*.migrations_dir", "d1_databases.*.migrations_pattern"];

/** Names that are unique in an account. An environment is appended to them; it is put before a queue's name, whose end says its role. */
const NAMES = ["name", "d1_databases.*.database_name"];
const QUEUES = ["queues.producers.*.queue", "queues.consumers.*.queue", "queues.consumers.*.dead_letter_queue"];

/** The configuration for a plan and an environment, with paths relative to dist/. `changes` are applied last, as the plan's rules are. */
export function planConfig(
  plan: Plan,
  changes: readonly [path: string, value: unknown][] = [],
  env?: string,
): Unstable_RawConfig {
  const { rawConfig } = experimental_readRawConfig({ config: join(root, "wrangler.toml") });
  const config = structuredClone(rawConfig);
  if (env !== undefined) separate(config, env);
  for (const [path, value] of [...(plan === "free" ? FREE_RULES : []), ...changes]) change(config, path, () => value);
  for (const path of FILE_PATHS) {
    change(config, path, (value) => (typeof value === "string" ? `../${value.replace(/^\.\//, "")}` : value));
  }
  return config;
}

/** Gives an environment its own names: the Worker `lovage-staging` consumes the queue `staging-lovage-high`. */
function separate(config: Unstable_RawConfig, env: string): void {
  for (const path of NAMES) change(config, path, (name) => (typeof name === "string" ? `${name}-${env}` : name));
  for (const path of QUEUES) change(config, path, (name) => (typeof name === "string" ? `${env}-${name}` : name));
  // The account counts by these numbers, so two deployments with one number would share a limit.
  const own = createHash("sha256").update(env).digest().readUInt16BE() * 10_000;
  change(config, "ratelimits.*.namespace_id", (value) => String(Number(value) + own));
  // The configured id is that of the deployment without an environment.
  change(config, "d1_databases.*.database_id", () => undefined);
}

/** Writes the configuration to dist/ and answers its path. */
export function writePlanConfig(name: string, config: Unstable_RawConfig): string {
  mkdirSync(join(root, "dist"), { recursive: true });
  const file = join(root, "dist", `wrangler.${name}.json`);
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
