/** Starts the strict platform with the small Worker of `fixture/` on it, so that a test can order it to use more than it may. */

import { join } from "node:path";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import type { Report } from "../../scripts/strict/counts.ts";
import type { DatabaseOptions, Plan } from "../../scripts/strict/limits.ts";
import { strictWorkers } from "../../scripts/strict/workers.ts";

const fixture = join(import.meta.dirname, "fixture");

/** A database without delays. */
const AT_ONCE: DatabaseOptions = {
  networkMs: 0,
  readMs: 0,
  writeMs: 0,
  maxBytes: 1e9,
  maxQueued: 1_000,
  patienceMs: 30_000,
};

export interface Order {
  op: string;
  [argument: string]: unknown;
}

/** What the Worker answered: the value, or the message of what was thrown. */
export interface Answered {
  value?: unknown;
  error?: string;
}

export interface Platform {
  order(order: Order): Promise<Answered>;
  /** The same; fails where something was thrown. */
  value<T>(order: Order): Promise<T>;
  report(): Promise<Report>;
  reset(): Promise<void>;
  /** Changes what `serve --strict` is told of D1, and undoes it at the next call. */
  database(options?: Partial<DatabaseOptions>): Promise<void>;
  /** Orders faults of D1 for so long. */
  faults(faults: { forMs: number; isSilent?: boolean; errorRate?: number; slowdown?: number }): Promise<void>;
  stop(): Promise<void>;
}

export async function startPlatform(plan: Plan = "paid", scale = 1): Promise<Platform> {
  const config = unstable_readConfig({ config: join(fixture, "wrangler.toml") });
  const { modulesRules: _, ...worker } = unstable_getMiniflareWorkerOptions(config).workerOptions;
  const options = { plan, scale, database: AT_ONCE };
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: strictWorkers(config, worker, {}, options, join(fixture, "worker.mjs")),
      host: "127.0.0.1",
      port: 0,
      cf: false,
      telemetry: { enabled: false },
      unsafeLocalExplorer: false,
      unsafeObservability: false,
      log: new Log(LogLevel.NONE),
      // What is cut off complains.
      handleStructuredLogs: () => {},
    }),
  );
  const url = await miniflare.ready;
  const post = async (path: string, body: unknown) =>
    fetch(new URL(path, url), { method: "POST", body: JSON.stringify(body) });
  const order = async (given: Order) => (await (await post("/", given)).json()) as Answered;
  const value = async <T>(given: Order) => {
    const answered = await order(given);
    if (answered.error !== undefined) throw new Error(answered.error);
    return answered.value as T;
  };
  await value({ op: "query", sql: "CREATE TABLE notes (id INTEGER PRIMARY KEY, name TEXT, isolate TEXT)" });
  return {
    order,
    value,
    report: async () => (await (await fetch(new URL("/__strict/report", url))).json()) as Report,
    reset: async () => void (await post("/__strict/reset", {})),
    database: async (changes = {}) => void (await post("/__strict/database", { ...AT_ONCE, ...changes })),
    faults: async (faults) => void (await post("/__strict/faults", faults)),
    stop: () => miniflare.dispose(),
  };
}

/** How often the Worker has noted this name. */
export async function notes(platform: Platform, name: string): Promise<number> {
  const sql = "SELECT COUNT(*) AS count FROM notes WHERE name = ?1";
  const { results } = await platform.value<{ results: { count: number }[] }>({ op: "query", sql, params: [name] });
  return results[0].count;
}
