/** A task's place in its line, and what finding it reads: a bound, however long the line is. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { HELD_LOOK_MS } from "../../src/core/bounds.ts";
import { rateOf } from "../../src/core/share.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import {
  MAX_LOOKED,
  readKeyWaiters,
  readPlaceInLane,
  readPlaceUnderRate,
  type Place,
} from "../../src/results/limits/waiters.ts";
import { countRows } from "./count-rows.ts";
import { claimAt, insertLimited, limitedTask, newKey, type Limits } from "./limited-tasks.ts";

const BOUND = 3 * MAX_LOOKED;

async function read(id: string, how: (db: D1Database, task: Parameters<typeof readPlaceInLane>[1]) => Promise<Place>) {
  const counting = countRows(env.DB);
  const task = await env.DB.prepare("SELECT id, lane, run_at AS runAt, due_at AS dueAt FROM tasks WHERE id = ?1")
    .bind(id)
    .first<Parameters<typeof readPlaceInLane>[1]>();
  const place = await how(counting.db, task!);
  return { position: place.position, capped: place.capped, rows: counting.read() };
}

async function many(count: number, limits: Limits): Promise<string[]> {
  const tasks = Array.from({ length: count }, () => limitedTask(limits, { lane: "bulk" }));
  await insertTasks(env.DB, tasks);
  return tasks.map((task) => task.id).toSorted();
}

const key = newKey();
const rate = rateOf(newKey(), 10, 1_000, 1);

const LINES: [string, Limits, (db: D1Database, task: Parameters<typeof readPlaceInLane>[1]) => Promise<Place>][] = [
  [
    "a key",
    { concurrency: [{ key, limit: 1 }] },
    async (db, { id }) => (await readKeyWaiters(db, { id, tenant: "t" }, [key]))[0]!,
  ],
  ["a rate", { rates: [rate] }, (db, { id }) => readPlaceUnderRate(db, id, rate.key)],
  ["a lane", {}, (db, task) => readPlaceInLane(db, task, Date.now())],
];

it.each(LINES)(
  "finds a place in the line of %s, and reads no more of a long one than a bound",
  async (name, limits, how) => {
    await env.DB.prepare("DELETE FROM tasks").run();
    const [holder] = await insertLimited(1, limits);
    await claimAt([holder!]);
    const ids = await many(40, limits);
    const short = await read(ids.at(-1)!, how);
    expect(short).toMatchObject({ position: 40, capped: false });
    expect(await read(ids[0]!, how)).toMatchObject({ position: 1, capped: false });
    await many(2 * MAX_LOOKED, limits);
    const [last] = (await many(1, limits)).slice(-1);
    const long = await read(last!, how);
    expect(long.capped).toBe(true);
    expect(long.position).toBeGreaterThan(MAX_LOOKED / 2);
    expect(long.position).toBeLessThanOrEqual(2 * MAX_LOOKED + 41);
    expect(long.rows).toBeLessThan(BOUND);
    console.log(
      `${name}: ${short.rows} rows read among 40, ${long.rows} among ${2 * MAX_LOOKED + 41}; at least number ${long.position}`,
    );
  },
);

it("is not held up by what is scheduled for later", async () => {
  await env.DB.prepare("DELETE FROM tasks").run();
  const later = Date.now() + HELD_LOOK_MS + 60_000;
  await insertTasks(
    env.DB,
    Array.from({ length: MAX_LOOKED + 1 }, () => limitedTask({}, { state: "scheduled", runAt: later, dueAt: later })),
  );
  const ids = await many(2, {});
  expect(await read(ids[1]!, (db, task) => readPlaceInLane(db, task, Date.now()))).toMatchObject({
    position: 2,
    capped: false,
  });
});
