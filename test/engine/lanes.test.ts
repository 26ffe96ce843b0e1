/** Paused lanes at the database: what a claim gets, what the clock does, and what it costs to count. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { heldLanes, openLanes } from "../../src/clock/lanes.ts";
import { BELL_MS, HELD_LOOK_MS } from "../../src/core/bounds.ts";
import { wake } from "../../src/core/wake.ts";
import { claimTasks } from "../../src/results/claim-tasks.ts";
import { readDue } from "../../src/results/due-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { pauseLane, readLanes, resumeLane } from "../../src/results/lanes/lanes.ts";
import { countLanes } from "../../src/results/live-counts.ts";
import { countRows } from "./count-rows.ts";
import { newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

const now = Date.now();

beforeEach(async () => {
  await env.DB.batch([env.DB.prepare("DELETE FROM lanes"), env.DB.prepare("DELETE FROM tasks")]);
});

async function queued(lane: "bulk" | "default", count = 1): Promise<string[]> {
  const tenant = newTenant();
  const tasks = Array.from({ length: count }, () => newTask(tenant, { lane }));
  await insertTasks(env.DB, tasks);
  return tasks.map((task) => task.id);
}

async function claimed(ids: string[], at = now): Promise<string[]> {
  const claim = await claimTasks(env.DB, ids, crypto.randomUUID(), at);
  return claim.claimed.map((task) => task.id);
}

describe("a claim", () => {
  it("gets nothing of a paused lane, and all of the others", async () => {
    const [bulk, other] = [await queued("bulk"), await queued("default")];
    await pauseLane(env.DB, "bulk", "maintenance", null, now);
    expect(await claimed([...bulk, ...other])).toEqual(other);
    await resumeLane(env.DB, "bulk");
    expect(await claimed(bulk)).toEqual(bulk);
  });

  it("gets them again when the pause's end has come", async () => {
    const ids = await queued("bulk");
    await pauseLane(env.DB, "bulk", null, now + 1_000, now);
    expect(await claimed(ids, now + 999)).toEqual([]);
    expect(await claimed(ids, now + 1_000)).toEqual(ids);
  });

  it("writes nothing where the lane is paused, and one row for each task where another one is", async () => {
    const ids = await queued("bulk", 3);
    const { db, written } = countRows(env.DB);
    await pauseLane(env.DB, "bulk", null, null, now);
    await claimTasks(db, ids, "one", now);
    expect(written()).toBe(0);
    const others = await queued("default", 3);
    // As soon as they are stored: a lease that ends long before their timer would move it, for another row each.
    await claimTasks(db, others, "two", Date.now());
    expect(written()).toBe(3);
  });
});

describe("the clock", () => {
  it("rings for nobody in a paused lane, and does not look at them again soon", async () => {
    const [id] = await queued("bulk");
    const [row] = await readDue(env.DB, Date.now() + BELL_MS, 1);
    expect(row!.id).toBe(id);
    const at = row!.dueAt;
    expect(wake(row!, at)).toMatchObject({ do: "ring" });
    expect(wake(row!, at, Number.POSITIVE_INFINITY)).toEqual({ do: "postpone", dueAt: at + HELD_LOOK_MS });
    expect(wake(row!, at, at + 5_000)).toEqual({ do: "postpone", dueAt: at + 5_000 });
    expect(wake({ ...row!, expiresAt: at + 10 }, at, at + 5_000)).toEqual({ do: "postpone", dueAt: at + 10 });
    expect(wake(row!, at, at)).toMatchObject({ do: "ring" });
  });

  it("knows which lanes are held, and looks when the first of them opens", async () => {
    await pauseLane(env.DB, "bulk", null, now + 60_000, now);
    await pauseLane(env.DB, "long", null, null, now);
    expect([...heldLanes(await readLanes(env.DB), now)].toSorted(([a], [b]) => a.localeCompare(b))).toEqual([
      ["bulk", now + 60_000],
      ["long", Number.POSITIVE_INFINITY],
    ]);
  });

  it("makes everybody due who waited in a lane that is open again, however many, and nobody else", async () => {
    const waiting = await queued("bulk", 2_500);
    const others = await queued("default", 10);
    await env.DB.prepare("UPDATE tasks SET due_at = ?1")
      .bind(now + HELD_LOOK_MS)
      .run();
    await pauseLane(env.DB, "bulk", null, now + 1, now);
    expect(await openLanes(quietEnv(), now, await readLanes(env.DB))).toBe(false);
    expect((await readDue(env.DB, now + 5, 1)).length).toBe(0);
    const lanes = await readLanes(env.DB);
    expect(heldLanes(lanes, now + 1).size).toBe(0);
    expect(await openLanes(quietEnv(), now + 1, lanes)).toBe(false);
    const due = await readDue(env.DB, now + 5, 10_000);
    expect(due.map((row) => row.id)).toEqual(waiting.toSorted());
    expect(others.length).toBe(10);
    expect(await readLanes(env.DB)).toEqual([]);
  });

  it("goes on with a lane that was opened by hand, and stops where it was paused anew", async () => {
    await queued("bulk", 5);
    await pauseLane(env.DB, "bulk", null, null, now);
    await resumeLane(env.DB, "bulk");
    const seen = await readLanes(env.DB);
    expect(seen).toMatchObject([{ name: "bulk", paused: 0 }]);
    await pauseLane(env.DB, "bulk", "again", null, now);
    // The clock has seen it open, and comes late.
    await openLanes(quietEnv(), now, seen);
    expect(heldLanes(await readLanes(env.DB), now).has("bulk")).toBe(true);
  });
});

describe("counting", () => {
  it("looks at no more rows than it may, whatever is scheduled or kept", async () => {
    await queued("bulk", 30);
    await env.DB.prepare(
      `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, due_at, created_at, run_at, retention_ms)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
       SELECT 'task_z' || i, 'x', 'test.noop', 'default', 'scheduled', 3, ?1 + i, ?1, ?1 + i, 1 FROM n`,
    )
      .bind(now + 30_000)
      .run();
    const counting = countRows(env.DB);
    const { counts, capped } = await countLanes(counting.db, now + HELD_LOOK_MS);
    expect(counts.find((each) => each.lane === "bulk")).toEqual({ lane: "bulk", queued: 30, running: 0 });
    expect(capped).toBe(true);
    const rows = counting.read();
    console.log(`counting the lanes beside 100,000 scheduled tasks reads ${rows} rows`);
    // Four statements of at most 5,000.
    expect(rows).toBeLessThanOrEqual(20_000);
  });
});
