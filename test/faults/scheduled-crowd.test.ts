/** A hundred thousand tasks that wait for next year, and ten thousand that nap, must not be felt by those of today. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { OptionsInput } from "../../src/contract/submission.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { apiOf, poll, type Submission } from "../http/api.ts";
import { startServer, type Server } from "../http/server.ts";

const SCHEDULED = 100_000;
const NAPPING = 10_000;
const PLAIN = 1_000;
/** The best of so many runs on each side, one after the other: what else the machine does hits some of them, not all. */
const RUNS = 6;
/** Throughput within a fifth. */
const MAX_RATIO = 1.25;

let crowded: Server;
let empty: Server;

beforeAll(async () => {
  [crowded, empty] = await Promise.all([startServer(), startServer()]);
  const runAt = new Date(Date.now() + 365 * 86_400_000).toISOString();
  const batch = Array.from({ length: 1_000 }, (): Submission => ({ task: "test.noop", options: { runAt } }));
  const { submitAll } = apiOf(crowded);
  for (let i = 0; i < SCHEDULED; i += batch.length) await submitAll(batch);
  await letNap(crowded);
});

/** One task falls asleep for real, and its row is copied: ten thousand times that would take minutes here. */
async function letNap(server: Server): Promise<void> {
  const api = apiOf(server);
  const real = await api.submit("test.nap", { ms: 3_600_000 });
  await api.waitUntil(real.id, (task) => task.state === "waiting");
  await server.kill9();
  for (const file of globSync(join(server.persist, "v3/d1/**/*.sqlite"))) copyRow(file, real.id);
  await server.restart();
}

function copyRow(file: string, id: string): void {
  const database = new DatabaseSync(file);
  try {
    const columns = database.prepare("SELECT name FROM pragma_table_info('tasks') WHERE name <> 'id'").all();
    const names = columns.map((column) => String(column["name"])).join(", ");
    // The metadata are in a database of their own.
    if (names === "") return;
    database
      .prepare(
        `INSERT INTO tasks (id, ${names}) SELECT copy.value, ${names} FROM tasks, json_each(?1) AS copy WHERE tasks.id = ?2`,
      )
      .run(JSON.stringify(newTaskIds(NAPPING)), id);
  } finally {
    database.close();
  }
}

afterAll(async () => {
  await Promise.all([crowded?.stop(), empty?.stop()]);
});

/** What a run takes, in ms by the service's own clock. */
type Run = (server: Server) => Promise<number>;

/** From the first submit to the last end of a thousand plain tasks. */
const throughput: Run = async (server) => {
  const ended = await runAll(server, {});
  return Math.max(...ended.map((task) => ms(task.finishedAt))) - Math.min(...ended.map((task) => ms(task.createdAt)));
};

/** From their common start to the last end of a thousand tasks that the clock has to start. */
const clock: Run = async (server) => {
  const runAt = new Date(Date.now() + 1_000).toISOString();
  const ended = await runAll(server, { runAt });
  return Math.max(...ended.map((task) => ms(task.finishedAt))) - ms(runAt);
};

/** A hundred submits one by one, as their caller sees it. */
const submits: Run = async (server) => {
  const api = apiOf(server);
  const begin = performance.now();
  for (let i = 0; i < 100; i++) await api.submit("test.noop", null, { delay: "1h" });
  return performance.now() - begin;
};

async function runAll(server: Server, options: OptionsInput): Promise<TaskResource[]> {
  const api = apiOf(server);
  const plot = `run-${++runs}`;
  const tasks = Array.from({ length: PLAIN }, () => ({ task: "test.noop", options: { ...options, tags: { plot } } }));
  const submitted = await api.submitAll(tasks);
  // Asking for all of them while they run would be a load of its own.
  await api.waitForEnd(submitted.at(-1)?.id ?? "");
  return poll(
    () => `${plot} goes on`,
    async () => {
      const listed = await api.listAll(`tag.plot=${plot}`);
      return listed.filter((task) => task.state === "succeeded").length === PLAIN ? listed : null;
    },
  );
}

let runs = 0;

it("lets ten thousand tasks nap without a worker", async () => {
  const { get, listAll } = apiOf(crowded);
  const napping = await listAll("task=test.nap&state=waiting");
  expect(napping).toHaveLength(NAPPING + 1);
  const [copy, real] = [napping[0], napping.at(-1)!];
  expect(copy).toEqual({ ...real, id: copy.id, rootId: copy.rootId, links: copy.links });
  expect(copy).toMatchObject({ attempt: 1, waitingFor: { type: "sleep", until: real.runAt } });
  const { body } = await get<{ items: { running: number }[] }>("/v1/lanes");
  expect(body.items.map((lane) => lane.running)).toEqual(body.items.map(() => 0));
});

it.each([
  ["throughput", throughput],
  ["the clock", clock],
  ["submits", submits],
])(
  `${SCHEDULED} scheduled tasks and ${NAPPING} napping ones do not slow down %s by more than a fifth`,
  // A machine that does other things, too, may fail it once.
  { timeout: 60_000, retry: 1 },
  async (what, run) => {
    const took = { crowded: [] as number[], empty: [] as number[] };
    for (let i = 0; i < RUNS; i++) {
      took.empty.push(await run(empty));
      took.crowded.push(await run(crowded));
    }
    const ratio = Math.min(...took.crowded) / Math.min(...took.empty);
    console.log(`${what}: ${ratio.toFixed(2)} of the time on an empty database`, took);
    expect(ratio).toBeLessThan(MAX_RATIO);
  },
);

function ms(instant: string | null): number {
  return Date.parse(instant ?? "");
}
