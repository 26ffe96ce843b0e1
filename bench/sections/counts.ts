/** The cost of a task in the platform's billing units, counted at the bindings of the built Worker. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { convertV4MiniflareOptions, Miniflare, type V4WorkerOptions } from "miniflare";
import { readLocalConfig } from "../../scripts/local-config.ts";
import { closedLoop } from "../load/closed-loop.ts";
import { bodyOf, type Http } from "../load/http.ts";
import type { Sizes } from "../measures/measure.ts";
import type { Row } from "../report/figures.ts";
import { bundleWorker } from "../subjects/bundle.ts";
import { authorized, KEY } from "../subjects/lovage.ts";

const root = join(import.meta.dirname, "../..");
const WITHIN_MS = 60_000;

type Counts = { [count: string]: number };
type Counted = { tasks: Counts; clock: Counts };
type Database = Awaited<ReturnType<Miniflare["getD1Database"]>>;

const NOOP = { task: "test.noop", input: {} };
const REPORTING = { task: "test.progress", input: { steps: 5, ms: 300 } };
const noops = (count: number) => Array.from({ length: count }, () => NOOP);

/** Submits tasks and returns how many. */
type Load = (http: Http, db: Database, sizes: Sizes) => Promise<number>;

const posts = (callers: number, count: number, body: object, headers: Record<string, string> = {}) => {
  const load: Load = async (http) => {
    const loop = await closedLoop({ callers, count, maxMs: WITHIN_MS }, async () => {
      const { status, text } = await http.post("/v1/tasks", body, headers);
      if (status !== 202 && status !== 200) throw new Error(`answered ${status}: ${text.slice(0, 300)}`);
    });
    if (loop.failed > 0) throw new Error(loop.reason ?? "a submission failed");
    return count;
  };
  return load;
};

/** One task at a time: the next when the last has ended. */
const alone: Load = async (http, db) => {
  const count = 30;
  for (let n = 0; n < count; n++) {
    await posts(1, 1, NOOP)(http, db, {} as Sizes);
    await untilSettled(db, 2);
  }
  return count;
};

const flow = (graph: object, tasks: number) => {
  const load: Load = async (http) => {
    bodyOf(await http.post("/v1/flows", graph), 202);
    return tasks;
  };
  return load;
};

const LOADS: { [measure: string]: Load } = {
  alone,
  "alone, with wait": posts(1, 30, NOOP, { prefer: "wait=10" }),
  "32 connections": posts(32, 1_000, NOOP),
  "in batches of 1,000": async (http) => {
    bodyOf(await http.post("/v1/tasks/batch", { tasks: noops(1_000) }), 207);
    return 1_000;
  },
  "with five progress reports": posts(8, 16, REPORTING),
  chain: (http, db, sizes) => flow({ chain: noops(sizes.chain) }, sizes.chain)(http, db, sizes),
  chord: (http, db, sizes) =>
    flow({ chord: { header: noops(sizes.chord), body: NOOP } }, sizes.chord + 1)(http, db, sizes),
};

/** Runs each load until its tasks have ended and no delivery is owed. */
export async function countCosts(sizes: Sizes): Promise<Row[]> {
  const miniflare = new Miniflare(await countingOptions());
  try {
    const http = authorized((await miniflare.ready).origin, 32);
    const db = await miniflare.getD1Database("DB");
    for (const { statements } of readLocalConfig().migrations) await db.batch(statements.map((sql) => db.prepare(sql)));
    // Makes the reads that an isolate does only once before counting begins.
    await posts(1, 1, NOOP)(http, db, sizes);
    await untilSettled(db, 20);
    const read = async () => bodyOf<Counted>(await http.get("/__counts"), 200);
    const rows: Row[] = [];
    const startedAt = performance.now();
    const first = await read();
    for (const [measure, load] of Object.entries(LOADS)) {
      const before = await read();
      const tasks = await load(http, db, sizes);
      await untilSettled(db, 20);
      const { tasks: after } = await read();
      rows.push({ subject: "counts", measure, pass: 1, figures: each(before.tasks, after, tasks, { tasks }) });
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const figures = each(first.clock, (await read()).clock, seconds, {});
    rows.push({ subject: "counts", measure: "the clock, a second", pass: 1, figures });
    await http.close();
    return rows;
  } finally {
    await miniflare.dispose();
  }
}

function each(before: Counts, after: Counts, by: number, more: Counts): Counts {
  const counts = Object.entries(after).map(([name, value]): [string, number] => [name, (value - before[name]) / by]);
  return { ...more, ...Object.fromEntries(counts) };
}

/** The options of `npm run serve`, but with counted bindings and state that is not kept. */
async function countingOptions() {
  const { config, worker } = readLocalConfig();
  const modules = [
    { name: "counting.js", contents: await bundleWorker("counting.ts") },
    { name: "built-worker.js", contents: readFileSync(join(root, "dist/worker/index.js"), "utf8") },
  ];
  return convertV4MiniflareOptions({
    ...(worker as V4WorkerOptions),
    name: config.name ?? "lovage",
    modules: modules.map(({ name, contents }) => ({ type: "ESModule" as const, path: join(root, name), contents })),
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

/** Queries the database directly, without the counters. */
async function untilSettled(db: Database, everyMs: number): Promise<void> {
  const deadline = Date.now() + WITHIN_MS;
  const owed = db.prepare("SELECT COUNT(*) AS n FROM tasks WHERE finished_at IS NULL OR due_at IS NOT NULL");
  while ((await owed.first<number>("n")) !== 0) {
    if (Date.now() > deadline) throw new Error(`tasks have not settled after ${WITHIN_MS / 1_000} s`);
    await pause(everyMs);
  }
}
