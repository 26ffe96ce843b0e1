/** What a task costs in D1 rows and queue messages, counted at the bindings of the built Worker. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig, unstable_splitSqlQuery } from "wrangler";
import { type Client, createClient } from "./client.ts";
import { closedLoop } from "./closed-loop.ts";

const root = join(import.meta.dirname, "..");
const KEY = "bench";
const WITHIN_MS = 30_000;

type Counts = { rowsWritten: number; rowsRead: number; statements: number; messages: number };
type Database = Awaited<ReturnType<Miniflare["getD1Database"]>>;

/** The counts of a load, each divided by its tasks. */
export type Cost = Counts & { what: string; n: number };

const NOOP = { task: "test.noop", input: null };
const REPORTING = { task: "test.progress", input: { steps: 5, ms: 20 } };
const THOUSAND = { tasks: Array.from({ length: 1_000 }, () => NOOP) };

const posts = (concurrency: number, count: number, body: unknown) => (client: Client) =>
  closedLoop({ concurrency, count, maxMs: 10_000 }, () => client.post("/v1/tasks", body));

const LOADS: { what: string; submit: (client: Client) => Promise<unknown> }[] = [
  { what: "plain, one post after the other", submit: posts(1, 300, NOOP) },
  { what: "plain, single posts, 64 at a time", submit: posts(64, 2_000, NOOP) },
  { what: "plain, in batches of 1,000", submit: (client) => client.post("/v1/tasks/batch", THOUSAND) },
  { what: "with five progress reports", submit: posts(16, 100, REPORTING) },
];

/** Runs each load until its tasks have ended and nothing is owed to anybody. */
export async function measureCosts(): Promise<Cost[]> {
  const miniflare = new Miniflare(countingOptions());
  try {
    const client = createClient((await miniflare.ready).origin, KEY);
    const db = await miniflare.getD1Database("DB");
    await applyMigrations(db);
    const costs: Cost[] = [];
    for (const { what, submit } of LOADS) {
      const before = await countsOf(client, db);
      await submit(client);
      await settled(db);
      costs.push(perTask(what, before, await countsOf(client, db)));
    }
    client.close();
    return costs;
  } finally {
    await miniflare.dispose();
  }
}

/** As `scripts/serve.ts` runs it, but with the bindings counted and the state gone afterwards. */
function countingOptions() {
  const config = unstable_readConfig({ config: join(root, "wrangler.toml") });
  const { modulesRules: _, ...worker } = unstable_getMiniflareWorkerOptions(config).workerOptions;
  const modules = [
    new URL("./counting-worker.js", import.meta.url),
    new URL("../dist/worker/index.js", import.meta.url),
  ];
  return convertV4MiniflareOptions({
    ...worker,
    name: config.name ?? "lovage",
    modules: modules.map((path) => ({ type: "ESModule" as const, path: fileURLToPath(path) })),
    modulesRoot: root,
    bindings: { ...config.vars, API_KEY: KEY, FIXTURES: "1", BOOT_AT: String(Date.now()) },
    host: "127.0.0.1",
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    unsafeLocalExplorer: false,
    unsafeObservability: false,
  });
}

async function applyMigrations(db: Database): Promise<void> {
  for (const file of globSync(join(root, "src/results/migrations/*.sql")).toSorted()) {
    await db.batch(unstable_splitSqlQuery(readFileSync(file, "utf8")).map((sql) => db.prepare(sql)));
  }
}

/** Asks the database directly, past the counters. */
async function settled(db: Database): Promise<void> {
  const deadline = Date.now() + WITHIN_MS;
  const owed = db.prepare("SELECT COUNT(*) AS n FROM tasks WHERE finished_at IS NULL OR due_at IS NOT NULL");
  while ((await owed.first<number>("n")) !== 0) {
    if (Date.now() > deadline) throw new Error(`tasks have not settled after ${WITHIN_MS / 1000} s`);
    await sleep(100);
  }
}

type Counted = Counts & { tasks: number };

async function countsOf(client: Client, db: Database): Promise<Counted> {
  const counts = JSON.parse((await client.get("/counts")).body) as Counts;
  return { ...counts, tasks: (await db.prepare("SELECT COUNT(*) AS n FROM tasks").first<number>("n")) ?? 0 };
}

function perTask(what: string, before: Counted, after: Counted): Cost {
  const n = after.tasks - before.tasks;
  const each = (name: keyof Counts) => (after[name] - before[name]) / n;
  return {
    what,
    n,
    rowsWritten: each("rowsWritten"),
    rowsRead: each("rowsRead"),
    statements: each("statements"),
    messages: each("messages"),
  };
}
