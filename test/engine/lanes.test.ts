/** Paused lanes at the database: what a claim gets, what the clock does, and what it costs to count. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { heldLanes, openLanes } from "../../src/clock/lanes.ts";
import { BELL_MS, HELD_LOOK_MS } from "../../src/core/bounds.ts";
import { wake } from "../../src/core/wake.ts";
import { claimTasks } from "../../src/results/claim-tasks.ts";
import { readDue } from "../../src/results/due-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { forgetPause, holdLane, readLanes, resumeLane, type LaneRow } from "../../src/results/lanes/lanes.ts";
import { countLanes, countLiveByTask } from "../../src/results/live-counts.ts";
import { countRows } from "./count-rows.ts";
import { runs } from "../setup/runs.ts";
import { newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

const now = Date.now();

beforeEach(async () => {
  await env.DB.batch([env.DB.prepare("DELETE FROM lane_modes"), env.DB.prepare("DELETE FROM tasks")]);
});

const pause = (name: string, reason: string | null, until: number | null) =>
  holdLane(env.DB, "paused", { name, reason, until }, now);

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
    await pause("bulk", "maintenance", null);
    expect(await claimed([...bulk, ...other])).toEqual(other);
    await resumeLane(env.DB, "bulk");
    expect(await claimed(bulk)).toEqual(bulk);
  });

  it("gets them again when the pause's end has come", async () => {
    const ids = await queued("bulk");
    await pause("bulk", null, now + 1_000);
    expect(await claimed(ids, now + 999)).toEqual([]);
    expect(await claimed(ids, now + 1_000)).toEqual(ids);
  });

  it("writes nothing where the lane is paused, and one row for each task where another one is", async () => {
    const ids = await queued("bulk", 3);
    const { db, written } = countRows(env.DB);
    await pause("bulk", null, null);
    await claimTasks(db, ids, "one", now);
    expect(written()).toBe(0);
    const others = await queued("default", 3);
    // As soon as they are stored: a lease that ends long before their timer would move it, for another row each.
    await claimTasks(db, others, "two", Date.now());
    expect(written()).toBe(3);
  });
});

describe("the clock", () => {
  it("sends no messages for a paused lane, and does not look at its tasks again soon", async () => {
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
    await pause("bulk", null, now + 60_000);
    await pause("long", null, null);
    expect([...heldLanes(await readLanes(env.DB), now)].toSorted(([a], [b]) => a.localeCompare(b))).toEqual([
      ["bulk", now + 60_000],
      ["long", Number.POSITIVE_INFINITY],
    ]);
  });

  it("makes all tasks due that waited in a lane that is open again, however many, and no others", async () => {
    const waiting = await queued("bulk", 2_500);
    const others = await queued("default", 10);
    await env.DB.prepare("UPDATE tasks SET due_at = ?1")
      .bind(now + HELD_LOOK_MS)
      .run();
    await pause("bulk", null, now + 1);
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
    await pause("bulk", null, null);
    await resumeLane(env.DB, "bulk");
    const seen = await readLanes(env.DB);
    expect(seen).toMatchObject([{ name: "bulk", mode: "open", holds: 1 }]);
    await pause("bulk", "again", null);
    // The clock has seen it open, and comes late.
    await openLanes(quietEnv(), now, seen);
    expect(heldLanes(await readLanes(env.DB), now).has("bulk")).toBe(true);
  });
});

describe("the previous release", () => {
  const run = (...all: [sql: string, ...values: (string | number | null)[]][]) =>
    env.DB.batch(all.map(([sql, ...values]) => env.DB.prepare(sql).bind(...values)));

  const ENDS_DRAIN = "DELETE FROM drains WHERE name = ?1";
  const ENDS_PAUSE = "UPDATE lanes SET paused = 0 WHERE name = ?1 AND paused = 1";

  /** The statements of release 0.2.0. */
  const old = {
    pause: (name: string, reason: string | null, until: number | null, at: number) =>
      run(
        [
          `INSERT INTO lanes (name, paused, reason, until, since) VALUES (?1, 1, ?2, ?3, ?4)
           ON CONFLICT (name) DO UPDATE SET paused = 1, reason = ?2, until = ?3,
             since = CASE WHEN paused = 1 THEN since ELSE ?4 END`,
          name,
          reason,
          until,
          at,
        ],
        [ENDS_DRAIN, name],
      ),
    drain: (name: string, reason: string | null, until: number | null, at: number) =>
      run(
        [
          `INSERT INTO drains (name, reason, until, since) VALUES (?1, ?2, ?3, ?4)
           ON CONFLICT (name) DO UPDATE SET reason = ?2, until = ?3,
             since = CASE WHEN until <= ?4 THEN ?4 ELSE since END`,
          name,
          reason,
          until,
          at,
        ],
        [ENDS_PAUSE, name],
      ),
    resume: (name: string) => run([ENDS_PAUSE, name], [ENDS_DRAIN, name]),
    forget: (name: string, at: number) =>
      run(["DELETE FROM lanes WHERE name = ?1 AND (paused = 0 OR until <= ?2)", name, at]),
  };

  const byNew = {
    pause: (name: string, reason: string | null, until: number | null, at: number) =>
      holdLane(env.DB, "paused", { name, reason, until }, at),
    drain: (name: string, reason: string | null, until: number | null, at: number) =>
      holdLane(env.DB, "draining", { name, reason, until }, at),
    resume: (name: string) => resumeLane(env.DB, name),
    forget: (name: string, at: number) => forgetPause(env.DB, name, at),
  };

  /** What release 0.2.0 reads, told in the words of this one. */
  async function readByOld() {
    const held = await env.DB.prepare("SELECT name, paused, reason, until, since FROM lanes").all<{
      name: string;
      paused: 0 | 1;
      reason: string | null;
      until: number | null;
      since: number;
    }>();
    const drains = await env.DB.prepare("SELECT name, reason, until, since FROM drains").all<{ name: string }>();
    const rows = new Map(
      held.results.map(({ paused, ...row }) => [
        row.name,
        { ...row, mode: paused === 1 ? "paused" : "open", holds: 1 },
      ]),
    );
    return drains.results
      .map((row) => ({ ...row, mode: "draining", holds: rows.get(row.name)?.holds ?? 0 }))
      .concat([...rows.values()].filter(({ name }) => !drains.results.some((row) => row.name === name)))
      .toSorted((a, b) => a.name.localeCompare(b.name));
  }

  it("sees each change of a lane, and each of its own is seen", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            by: fc.constantFrom("old", "new"),
            does: fc.constantFrom("pause", "drain", "resume", "forget"),
            name: fc.constantFrom("bulk", "long"),
            reason: fc.constantFrom("moves", null),
            ends: fc.constantFrom(null, 2, 5),
          }),
          { minLength: 10, maxLength: 20 },
        ),
        async (steps) => {
          await env.DB.prepare("DELETE FROM lane_modes").run();
          const model = new Map<string, Pick<LaneRow, "mode" | "holds" | "until">>();
          for (const [i, { by, does, name, reason, ends }] of steps.entries()) {
            const verbs = by === "old" ? old : byNew;
            const until = ends === null ? null : i + ends;
            if (does === "pause" || does === "drain") await verbs[does](name, reason, until, i);
            else if (does === "resume") await verbs.resume(name);
            else await verbs.forget(name, i);
            const rows = await env.DB.prepare("SELECT * FROM lane_modes ORDER BY name").all<LaneRow>();
            const read = await readByOld();
            // A row that is open only says that tasks wait: why and since when it was paused is history.
            const told = ({ name, mode, holds, ...rest }: Record<string, unknown>) =>
              mode === "open" ? { name, mode, holds } : { name, mode, holds, ...rest };
            expect(rows.results.map((row) => told({ ...row }))).toEqual(read.map(told));
            const before = model.get(name) ?? { mode: "open", holds: 0, until: null };
            const isOver = before.mode === "open" || (before.until !== null && before.until <= i);
            if (does === "pause") model.set(name, { mode: "paused", holds: 1, until });
            else if (does === "drain") model.set(name, { ...before, mode: "draining", until });
            else if (does === "resume") model.set(name, { ...before, mode: "open", until: null });
            else if (before.mode === "draining") model.set(name, { ...before, holds: 0 });
            else if (isOver) model.delete(name);
            const expected = [...model].filter(([, { mode, holds }]) => mode !== "open" || holds === 1);
            expect(Object.fromEntries(rows.results.map((row) => [row.name, [row.mode, row.holds]]))).toEqual(
              Object.fromEntries(expected.map(([key, { mode, holds }]) => [key, [mode, holds]])),
            );
          }
        },
      ),
      { numRuns: runs(10, 100) },
    );
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
    expect(counts.find((each) => each.lane === "bulk")).toEqual({
      lane: "bulk",
      queued: 30,
      running: 0,
      oldestRunAt: expect.any(Number),
    });
    expect(capped).toBe(true);
    const rows = counting.read();
    console.log(`counting the lanes beside 100,000 scheduled tasks reads ${rows} rows`);
    expect(rows).toBeLessThanOrEqual(5_000);
    await env.DB.prepare(
      `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, created_at, run_at, retention_ms)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
       SELECT 'task_w' || i, 'x', 'test.noop', 'default', 'waiting', 3, ?1, ?1, 1 FROM n`,
    )
      .bind(now)
      .run();
    expect(await countLiveByTask(counting.db, "x")).toMatchObject({ capped: true });
    // With all else that a call for figures reads.
    expect(counting.read()).toBeLessThanOrEqual(4_700);
  });
});
