/** How long it takes from a submission to the end of its task. */
import type { Client } from "./client.ts";
import { closedLoop } from "./closed-loop.ts";
import { drain } from "./drain.ts";
import { type Line, percentiles } from "./table.ts";

type Task = { createdAt: string; startedAt: string; finishedAt: string; state: string };

const NOOP = { task: "test.noop", input: null };
const TASKS = 5_000;
const BATCH = 1_000;
const AT_IDLE = { concurrency: 1, count: 300, maxMs: 15_000 };

/** Throughput of many tasks by batch and by single posts, then the latency of one at a time. */
export async function measureEndToEnd(client: Client): Promise<Line[]> {
  const byBatch = await throughput(client, async () => {
    const tasks = Array.from({ length: BATCH }, () => NOOP);
    for (let sent = 0; sent < TASKS; sent += BATCH) await client.post("/v1/tasks/batch", { tasks });
  });
  const bySingles = await throughput(client, () =>
    closedLoop({ concurrency: 64, count: TASKS, maxMs: 20_000 }, () => client.post("/v1/tasks", NOOP)),
  );
  return [
    { what: "submit to end, in batches of 1,000", ...byBatch },
    { what: "submit to end, single posts, 64 at a time", ...bySingles },
    ...(await latency(client)),
  ];
}

/** From the first submission's start to the last task's end, as the tasks themselves tell it. */
async function throughput(client: Client, submit: () => Promise<unknown>): Promise<{ n: number; perSecond: number }> {
  const startedAt = Date.now();
  await submit();
  await drain(client);
  const tasks = await tasksSince(client, startedAt);
  if (tasks.some((task) => task.state !== "succeeded")) throw new Error("not every task has succeeded");
  const endedAt = tasks.reduce((last, task) => Math.max(last, Date.parse(task.finishedAt)), 0);
  return { n: tasks.length, perSecond: (tasks.length * 1000) / (endedAt - startedAt) };
}

async function tasksSince(client: Client, startedAt: number): Promise<Task[]> {
  const tasks: Task[] = [];
  const after = encodeURIComponent(new Date(startedAt - 1).toISOString());
  for (let cursor: string | null = ""; cursor !== null;) {
    const path = `/v1/tasks?limit=200&createdAfter=${after}${cursor === "" ? "" : `&cursor=${cursor}`}`;
    const page = JSON.parse((await client.get(path)).body) as { items: Task[]; nextCursor: string | null };
    tasks.push(...page.items);
    cursor = page.nextCursor;
  }
  return tasks;
}

/** One caller who waits for each result: what they see, and what of it the task itself took. */
async function latency(client: Client): Promise<Line[]> {
  const inside: { start: number; end: number }[] = [];
  const run = await closedLoop(AT_IDLE, async () => {
    const { status, body } = await client.post("/v1/tasks", NOOP, { prefer: "wait=10" });
    if (status !== 200) throw new Error("a task did not end within 10 s");
    const { createdAt, startedAt, finishedAt } = JSON.parse(body) as Task;
    const created = Date.parse(createdAt);
    inside.push({ start: Date.parse(startedAt) - created, end: Date.parse(finishedAt) - created });
  });
  const ascending = (values: number[]) => percentiles(values.toSorted((a, b) => a - b));
  const n = inside.length;
  return [
    { what: "one at idle with Prefer: wait, as the caller sees it", n, ...percentiles(run.ms) },
    { what: "… from accepted to started", n, ...ascending(inside.map((each) => each.start)) },
    { what: "… from accepted to ended", n, ...ascending(inside.map((each) => each.end)) },
  ];
}
