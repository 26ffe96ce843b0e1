/** The isolate that ends a task may die before it tells the task's object. The listeners hear of the end all the same. */
import { env } from "cloudflare:workers";
import { evictDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import type { TaskEvent } from "../../src/contract/event.ts";
import { settle } from "../../src/core/settle.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { OBJECT } from "../../src/core/wake.ts";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import { follow } from "../../src/engine/events/follow.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { progressObject, snapshotOf } from "../../src/engine/events/tell.ts";
import { claimTasks } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { markObject, readTasks } from "../../src/results/read-tasks.ts";

/** A task in its first attempt, which no worker runs. */
async function runningTask(): Promise<string> {
  const id = newTaskIds(1)[0]!;
  const prepared = prepare(env, { task: "test.noop" }, { tenant: "t", traceparent: null }, id, Date.now());
  if (!prepared.ok) throw new Error(prepared.problem.detail);
  await insertTasks(env.DB, [prepared.task]);
  const { claimed } = await claimTasks(env.DB, [id], crypto.randomUUID(), Date.now());
  expect(claimed).toHaveLength(1);
  return id;
}

/** The commit of an attempt by an isolate that dies before it tells of it. */
async function commitUntold(id: string): Promise<void> {
  const [row] = await readTasks(env.DB, [id]);
  const at = Date.now();
  const settlement = settle(row!, { outcome: "succeeded", result: "1" }, DEFAULT_RETRY, at, 0);
  const entry = { ...settlement, id, attempt: 1, startedAt: at, at, progress: null, object: 0, mayRelease: false };
  expect((await commitAttempts(env.DB, [entry])).held).toHaveLength(1);
}

const PACE = { idleMs: 500, lookMs: 1_000 };

async function hear(id: string, after: number, enough: (event: TaskEvent) => boolean): Promise<TaskEvent[]> {
  const [row] = await readTasks(env.DB, [id]);
  const events: TaskEvent[] = [];
  for await (const event of follow(env, row!, after, new AbortController().signal, PACE)) {
    if (event === null) continue;
    events.push(event);
    if (enough(event)) break;
  }
  return events;
}

const isDone = (event: TaskEvent) => event.type === "done";

it("is told by the listener's own look at the row", async () => {
  const id = await runningTask();
  const heard = hear(id, 0, isDone);
  await expect.poll(async () => (await readTasks(env.DB, [id]))[0]!.object).toBe(OBJECT.listened);
  await commitUntold(id);
  expect((await heard).at(-1)).toMatchObject({ type: "done", data: { state: "succeeded", result: 1 } });
});

it("is told by the clock", async () => {
  const id = await runningTask();
  await markObject(env.DB, id, OBJECT.listened);
  await progressObject(env, id).sync(snapshotOf((await readTasks(env.DB, [id]))[0]!));
  await commitUntold(id);
  expect((await progressObject(env, id).list(0)).at(-1)!.type).toBe("state");
  const kv = { get: () => undefined, put: () => undefined } as unknown as SyncKvStorage;
  await tick(env, kv, Date.now() + 6_000, new Suspects());
  expect((await progressObject(env, id).list(0)).at(-1)!.type).toBe("done");
});

it("goes on with the numbers of an object that was evicted", async () => {
  const id = await runningTask();
  const object = progressObject(env, id);
  const row = (await markObject(env.DB, id, OBJECT.used))!;
  const report = (done: number) =>
    object.report({
      id: crypto.randomUUID(),
      snapshot: snapshotOf(row),
      events: [{ type: "progress", at: new Date().toISOString(), data: { done, total: 10 } }],
      last: false,
    });
  for (const done of [1, 2, 3]) await report(done);
  const first = await hear(id, 0, (event) => (event.data as { done?: number }).done === 3);
  for (const done of [4, 5]) await report(done);
  await object.list(0);
  await evictDurableObject(env.PROGRESS.getByName(id));
  for (const done of [6, 7, 8, 9, 10]) await report(done);
  await commitUntold(id);
  const second = await hear(id, first.at(-1)!.seq, isDone);
  expect(second.map((event) => (event.data as { done?: number }).done).filter(Boolean)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  const numbers = [...first, ...second].map((event) => event.seq);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
});
