/** What a Worker needs to run Lovage: read from Lovage's own wrangler.toml, the one description of the bindings. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { packageRoot } from "../package.ts";

/** The parts of a wrangler configuration that Lovage looks at; there may be any others. */
export interface RawConfig {
  name?: string;
  main?: string;
  compatibility_date?: string;
  compatibility_flags?: string[];
  d1_databases?: { binding?: string; database_name?: string; migrations_dir?: string }[];
  durable_objects?: { bindings?: { name: string; class_name: string; script_name?: string }[] };
  migrations?: { tag: string; new_sqlite_classes?: string[] }[];
  ratelimits?: { name: string; namespace_id: string; simple: object }[];
  queues?: { producers?: { binding?: string; queue?: string }[]; consumers?: { queue?: string }[] };
  triggers?: { crons?: string[] };
  assets?: { directory?: string; binding?: string; run_worker_first?: unknown };
  limits?: object;
  version_metadata?: { binding?: string };
  observability?: object;
  vars?: Record<string, unknown>;
  env?: Record<string, unknown>;
}

/** Where the pages and the migrations are in a project that has installed Lovage. */
export const PAGES = "node_modules/lovage/dist/pages";
export const MIGRATIONS = "node_modules/lovage/dist/migrations";

/** Bindings that only this repository's own routes use. */
const OWN_ROUTES = ["DEMO_LIMIT"];

/** Lovage's own wrangler.toml: parsed, and as text with its comments. */
export function ownConfig(): { config: RawConfig; text: string } {
  const text = readFileSync(join(packageRoot(), "wrangler.toml"), "utf8");
  return { config: parse(text), text };
}

/** The configuration for a Worker of this name. Queues, database and counters are the account's, so their names begin with the Worker's. */
export function wantedConfig(name: string): RawConfig {
  const { config } = ownConfig();
  const { vars: _, name: __, main: ___, ...wanted } = structuredClone(config);
  for (const database of wanted.d1_databases ?? []) {
    database.database_name = name.endsWith("lovage") ? name : `${name}-lovage`;
    database.migrations_dir = MIGRATIONS;
  }
  if (wanted.assets !== undefined) wanted.assets.directory = PAGES;
  const prefixed = ["queue", "dead_letter_queue"] as const;
  for (const queue of [...(wanted.queues?.producers ?? []), ...(wanted.queues?.consumers ?? [])]) {
    const named = queue as Record<string, string | undefined>;
    for (const field of prefixed) if (named[field] !== undefined) named[field] = `${name}-${named[field]}`;
  }
  for (const migration of wanted.migrations ?? []) migration.tag = `lovage-${migration.tag}`;
  wanted.ratelimits = (wanted.ratelimits ?? []).filter((limit) => !OWN_ROUTES.includes(limit.name));
  // The account counts by these numbers, so two Workers with one number would share a limit.
  const own = createHash("sha256").update(name).digest().readUInt16BE() * 10_000;
  for (const limit of wanted.ratelimits) limit.namespace_id = String(Number(limit.namespace_id) + own);
  return wanted;
}
