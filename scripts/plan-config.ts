/**
 * The configuration of a deployment, made from wrangler.toml, which stays the one description of the bindings: for the paid plan
 * as it stands, for the free plan changed by the rules below. Written below dist/ as JSON, for wrangler and for `serve --strict --plan free`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { experimental_readRawConfig, type Unstable_RawConfig } from "wrangler";
import { budgetOf } from "../src/core/plan.ts";

export const PLANS = ["paid", "free"] as const;

export type Plan = (typeof PLANS)[number];

const root = join(import.meta.dirname, "..");

/** Stands in wrangler.toml until a database was created by hand; wrangler then looks the database up by its name. */
const NO_ID = "00000000-0000-0000-0000-000000000000";

/** The free plan's limit of one database: https://developers.cloudflare.com/d1/platform/limits/ */
const FREE_D1_BYTES = 500_000_000;

const free = budgetOf({ PLAN: "free" });

/** What the free plan needs otherwise: where, and what; `*` is every item of a list, undefined removes. */
const FREE_RULES: readonly [path: string, value: unknown][] = [
  // Refused there: an invocation has 10 ms of CPU.
  ["limits", undefined],
  ["vars.PLAN", "free"],
  ["vars.D1_MAX_BYTES", String(FREE_D1_BYTES)],
  // A message holds as many ids as one event may start attempts.
  ["queues.consumers.*.max_batch_size", Math.floor(free.attemptsPerEvent / free.idsPerBell)],
  // Each retry is one of the day's 10,000 operations, and the clock finds the tasks anyhow.
  ["queues.consumers.*.max_retries", 3],
];

/** Paths in wrangler.toml, which are relative to the file that they stand in. */
const FILE_PATHS = ["main", "assets.directory", "d1_databases.*.migrations_dir", "d1_databases.*.migrations_pattern"];

/** The configuration for a plan, with paths relative to dist/. `changes` are applied last, as the plan's own rules are. */
export function planConfig(plan: Plan, changes: readonly [path: string, value: unknown][] = []): Unstable_RawConfig {
  const { rawConfig } = experimental_readRawConfig({ config: join(root, "wrangler.toml") });
  const config = structuredClone(rawConfig);
  for (const database of config.d1_databases ?? []) {
    if (database.database_id === NO_ID) delete database.database_id;
  }
  for (const [path, value] of [...(plan === "free" ? FREE_RULES : []), ...changes]) change(config, path, () => value);
  for (const path of FILE_PATHS) {
    change(config, path, (value) => (typeof value === "string" ? `../${value.replace(/^\.\//, "")}` : value));
  }
  return config;
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
