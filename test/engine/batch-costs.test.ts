/** What an item of a batch costs, in rows written as D1 bills them. These are tasks of a tenant other than the default one. */
import { env } from "cloudflare:workers";
import { afterAll, expect, it } from "vitest";
import { readDue } from "../../src/results/due-tasks.ts";
import { startTasks } from "../../src/results/start-tasks.ts";
import { wake } from "../../src/core/wake.ts";
import { claimGathered } from "../../src/results/claim-batches.ts";
import { claimTasks } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { countRows } from "./count-rows.ts";
import { limitedTask } from "./limited-tasks.ts";
import { endOf, newTenant } from "./webhook-tasks.ts";

const SIZE = 10;
const WAIT_MS = 1_000;

const table: Record<string, number[]> = {};

afterAll(() => console.log("rows written by an item of a batch: submit, timer, claim, commit", table));

/** Items that a submit at `now` stores. */
function items(count: number, now: number): NewTask[] {
  const tenant = newTenant();
  return Array.from({ length: count }, () =>
    limitedTask(
      {},
      {
        tenant,
        createdAt: now,
        runAt: now,
        dueAt: now + WAIT_MS,
        batch: JSON.stringify({ size: SIZE, wait: WAIT_MS }),
      },
    ),
  );
}

/** The clock's look at what is due; answers the ids for which it rings. */
async function look(db: D1Database, now: number): Promise<string[]> {
  const due = (await readDue(db, now, 100)).map((row) => ({ row, verdict: wake(row, now) }));
  const rung = due.flatMap(({ row, verdict }) =>
    verdict.do === "ring" ? [{ ...row, seen: row.dueAt, dueAt: verdict.dueAt }] : [],
  );
  if (rung.length > 0) await startTasks(db, [], now, rung);
  return rung.map((row) => row.id);
}

it.each([
  ["whose batch was whole", SIZE, 0, [4, 0, 1, 1]],
  ["whose batch has waited", 4, WAIT_MS, [4, 2, 1, 1]],
])("an item %s", async (name, count, afterMs, expected) => {
  const { db, written } = countRows(env.DB);
  const now = Date.now();
  const tasks = items(count, now);
  await insertTasks(db, tasks);
  const rows = [written()];
  const ids = afterMs === 0 ? tasks.map((task) => task.id) : await look(db, now + afterMs);
  rows.push(written());
  const { gathering, size, claimed: alone } = await claimTasks(db, ids, "claim", now + afterMs);
  expect(alone).toEqual([]);
  const { claimed } = await claimGathered(db, gathering, size, 24, "claim", now + afterMs);
  rows.push(written());
  await commitAttempts(
    db,
    claimed.map((task) => endOf(task)),
  );
  rows.push(written());
  table[name] = rows.map((each) => each / count);
  expect(table[name]).toEqual(expected);
});

it("a bell that comes before the batch is whole writes nothing", async () => {
  const { db, written } = countRows(env.DB);
  const now = Date.now();
  const tasks = items(4, now);
  await insertTasks(db, tasks);
  written();
  const ids = tasks.map((task) => task.id);
  const { gathering, size } = await claimTasks(db, ids, "early", now);
  expect((await claimGathered(db, gathering, size, 24, "early", now)).claimed).toEqual([]);
  expect(written()).toBe(0);
});

it("a claim of one takes all that start with it, and answers the same when it is asked again", async () => {
  const now = Date.now();
  const tasks = items(SIZE, now);
  await insertTasks(env.DB, tasks);
  const ids = tasks.map((task) => task.id);
  const claim = async (rung: string[]) =>
    (await claimGathered(env.DB, rung, SIZE, 24, "again", now)).claimed.map((task) => task.id).toSorted();
  expect(await claim(ids.slice(-1))).toEqual(ids.toSorted());
  expect(await claim(ids)).toEqual(ids.toSorted());
});

it("a thousand items of a hundred each are ten whole batches, also where ten bells are heard at once", async () => {
  const now = Date.now();
  const size = 100;
  const tasks = items(1_000, now).map((task) => ({ ...task, batch: JSON.stringify({ size, wait: WAIT_MS }) }));
  await insertTasks(env.DB, tasks);
  const bells = Array.from({ length: 10 }, (_, i) => tasks.slice(i * size, (i + 1) * size).map((task) => task.id));
  const claims = await Promise.all(bells.map((ids, i) => claimGathered(env.DB, ids, size, 24, `bell ${i}`, now)));
  const whole = claims.map(({ claimed }) => claimed.length);
  expect(whole.filter((count) => count % size !== 0)).toEqual([]);
  expect(whole.reduce((sum, count) => sum + count)).toBe(1_000);
});

it("ten that are posted alone cost one message", async () => {
  const worker = new AssembledWorker();
  const post = (value: number) =>
    worker.fetch("/v1/tasks", { body: { task: "test.batch", input: { value }, options: { lane: "high" } } });
  for (let value = 1; value < SIZE; value++) await post(value);
  expect(worker.sent).toEqual([]);
  const { id } = await (await post(SIZE)).json<{ id: string }>();
  expect(worker.sent.map((messages) => messages.map(({ lane, body }) => ({ lane, body })))).toEqual([
    [{ lane: "high", body: { ids: [id] } }],
  ]);
  await worker.deliver();
  expect(worker.started).toHaveLength(SIZE);
  const read = await worker.fetch(`/v1/tasks/${id}`);
  expect(await read.json()).toMatchObject({ state: "succeeded", result: SIZE });
});
