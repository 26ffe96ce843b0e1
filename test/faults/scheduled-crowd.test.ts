/** A hundred thousand tasks that wait for next year must not be felt by those of today. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { OptionsInput } from "../../src/contract/submission.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { apiOf, poll, type Submission } from "../http/api.ts";
import { startServer, type Server } from "../http/server.ts";

const CROWD = 100_000;
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
  for (let i = 0; i < CROWD; i += batch.length) await submitAll(batch);
}, 120_000);

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
    30_000,
    async () => {
      const listed = await api.listAll(`tag.plot=${plot}`);
      return listed.filter((task) => task.state === "succeeded").length === PLAIN ? listed : null;
    },
  );
}

let runs = 0;

it.each([
  ["throughput", throughput],
  ["the clock", clock],
  ["submits", submits],
])(
  `${CROWD} scheduled tasks do not slow down %s by more than a fifth`,
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
