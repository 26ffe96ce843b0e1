/** Ticks at the database: what one makes, whatever crashes, and in what number. Time is the tests' own, years ahead of the service's clock. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { putScheduleSchema, type DeclaredSchedule, type ScheduleInput } from "../../src/contract/schedule.ts";
import { MAX_TICKS_PER_LOOK } from "../../src/core/schedule.ts";
import { cancel } from "../../src/engine/cancel.ts";
import { commit } from "../../src/engine/commit.ts";
import { pauseSchedule, resumeSchedule } from "../../src/engine/schedules/control.ts";
import { declareSchedules } from "../../src/engine/schedules/declare.ts";
import { presentSchedule } from "../../src/engine/schedules/present.ts";
import { putSchedule } from "../../src/engine/schedules/put.ts";
import { runSchedule } from "../../src/engine/schedules/run.ts";
import { tickDueSchedules } from "../../src/engine/schedules/tick.ts";
import { readSchedule } from "../../src/results/schedules/read.ts";
import { listTasks } from "../../src/results/list-tasks.ts";
import { readTask } from "../../src/results/read-tasks.ts";
import type { WholeTaskRow } from "../../src/results/task-row.ts";
import { countRows } from "./count-rows.ts";
import { mortal } from "./mortal-db.ts";
import { claimOne, endOf, newTenant, quietEnv } from "./webhook-tasks.ts";

const START = Date.parse("2035-01-01T00:00:00.000Z");
const SECOND = 1_000;
const MINUTE = 60_000;

/** No message arrives: neither at the queues nor at the clock. */
function alone(db: D1Database = env.DB): Env {
  const clock = { wakeBy: async (at: number) => at };
  return { ...quietEnv(db), CLOCK: { getByName: () => clock } as unknown as Env["CLOCK"] };
}

let tenant: string;

beforeEach(async () => {
  tenant = newTenant();
  await env.DB.prepare("DELETE FROM schedules").run();
});

async function put(id: string, raw: Partial<ScheduleInput>, now = START, db = env.DB) {
  const written = { task: "test.noop", ...raw } as ScheduleInput;
  const parsed = putScheduleSchema.parse(written);
  return putSchedule(alone(db), { tenant, source: "api" }, id, { raw: written, parsed }, now);
}

async function tick(now: number, db = env.DB): Promise<void> {
  while ((await tickDueSchedules(alone(db), now)).more);
}

async function tasksOf(id: string): Promise<WholeTaskRow[]> {
  const { items: all } = await listTasks(env.DB, { tenant, tags: { schedule: id } }, null, 10_000);
  return all.toSorted((a, b) => tickOf(a) - tickOf(b));
}

const tickOf = (task: WholeTaskRow) => Date.parse((JSON.parse(task.tags!) as { tick: string }).tick);

/** The ticks that made tasks, in seconds since the start. */
async function ticksOf(id: string): Promise<number[]> {
  return (await tasksOf(id)).map((task) => (tickOf(task) - START) / SECOND);
}

async function end(id: string, at = START + 3_600 * SECOND): Promise<void> {
  const task = await claimOne(env.DB, id);
  await commit(alone(), [{ ...endOf(task), at, mayRelease: task.mayRelease === 1 }]);
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe("a tick", () => {
  it("makes one task, with the schedule's input, options and tags, and moves the schedule on", async () => {
    const options = { tags: { customer: "42" }, lane: "bulk" as const, delay: "2s" as const };
    await put("a", { task: "test.add", every: "10s", input: { x: 1, y: 2 }, options });
    await tick(START + 9 * SECOND);
    expect(await tasksOf("a")).toEqual([]);
    await tick(START + 10 * SECOND);
    await tick(START + 10 * SECOND);
    const [task, ...others] = await tasksOf("a");
    expect(others).toEqual([]);
    expect(task).toMatchObject({ task: "test.add", lane: "bulk", state: "scheduled", tenant });
    expect(task).toMatchObject({
      createdAt: START + 10 * SECOND,
      runAt: START + 12 * SECOND,
      dueAt: START + 12 * SECOND,
    });
    expect(JSON.parse(task!.input!)).toEqual({ x: 1, y: 2 });
    expect(JSON.parse(task!.tags!)).toEqual({ customer: "42", schedule: "a", tick: "2035-01-01T00:00:10.000Z" });
    const shown = presentSchedule((await readSchedule(env.DB, tenant, "a"))!);
    expect(shown.nextRunAt).toBe("2035-01-01T00:00:20.000Z");
    expect(shown.lastRuns).toEqual([{ tick: "2035-01-01T00:00:10.000Z", taskId: task!.id }]);
  });

  it("passes on an input that is too large for a row", async () => {
    const input = { value: "x".repeat(300_000) };
    await put("large", { task: "test.identity", every: "10s", input, catchUp: "all", overlap: "allow" });
    await tick(START + 100 * SECOND);
    await tick(START + 100 * SECOND);
    const tasks = await tasksOf("large");
    expect(tasks.length).toBe(10);
    expect(tasks.map((task) => task.input!.length)).toEqual(tasks.map(() => JSON.stringify(input).length));
  });

  it("writes six rows: the task, its timer, its entries among those of its tenant and of its schedule, the schedule and its place in time", async () => {
    await put("cheap", { every: "10s" });
    const { db, written } = countRows(env.DB);
    await tick(START + 10 * SECOND, db);
    expect(written()).toBe(6);
    await tick(START + 11 * SECOND, db);
    expect(written()).toBe(0);
  });

  it("makes its task even where the task is no longer known", async () => {
    await put("gone", { every: "10s", options: { lane: "high" } });
    await env.DB.prepare("UPDATE schedules SET spec = json_set(spec, '$.task', 'was.removed') WHERE tenant = ?1")
      .bind(tenant)
      .run();
    await tick(START + 10 * SECOND);
    expect(await tasksOf("gone")).toMatchObject([{ task: "was.removed", state: "queued", lane: "high" }]);
  });

  it("makes its task under the limit of the whole task where its input gives no key any more", async () => {
    await put("keyless", { task: "test.keyed", every: "10s", input: { key: "a" }, overlap: "allow" });
    await tick(START + 10 * SECOND);
    await env.DB.prepare("UPDATE schedules SET input = ?2 WHERE tenant = ?1").bind(tenant, '{"key":"throw"}').run();
    await tick(START + 20 * SECOND);
    const { results } = await env.DB.prepare("SELECT concurrency FROM tasks WHERE tenant = ?1 ORDER BY id")
      .bind(tenant)
      .all<{ concurrency: string }>();
    expect(results.map((row) => JSON.parse(row.concurrency) as unknown)).toEqual([
      [{ key: `task:test.keyed@${tenant}:a`, limit: 2 }],
      [{ key: `task:test.keyed@${tenant}:`, limit: 2 }],
    ]);
  });

  it("keeps the last ten ticks with their tasks", async () => {
    await put("ten", { every: "1s", overlap: "allow" });
    for (const second of upTo(13)) await tick(START + second * SECOND);
    const { lastRuns } = presentSchedule((await readSchedule(env.DB, tenant, "ten"))!);
    const tasks = (await tasksOf("ten")).toReversed().slice(0, 10);
    expect(lastRuns.map((run) => run.taskId)).toEqual(tasks.map((task) => task.id));
    expect(lastRuns[0]!.tick).toBe("2035-01-01T00:00:13.000Z");
  });
});

describe("ticks that were missed", () => {
  const missed = { every: "10s", overlap: "allow" } as const;

  it("are forgotten with none, but for the one that is in time", async () => {
    await put("none", { ...missed, catchUp: "none" });
    await tick(START + 105 * SECOND);
    expect(await ticksOf("none")).toEqual([100]);
  });

  it("are made up for by exactly one with last", async () => {
    await put("last", { ...missed, catchUp: "last" });
    await tick(START + 105 * SECOND);
    expect(await ticksOf("last")).toEqual([90, 100]);
    await put("skipping", { every: "10s" });
    await tick(START + 105 * SECOND);
    expect(await ticksOf("skipping")).toEqual([90]);
  });

  it("are all made up for with all", async () => {
    await put("all", { ...missed, catchUp: "all" });
    await tick(START + 105 * SECOND);
    expect(await ticksOf("all")).toEqual(upTo(10).map((n) => n * 10));
  });

  it("are made up for in bounded looks, and none is left out", async () => {
    await put("many", { every: "1s", overlap: "allow", catchUp: "all" });
    const n = 2 * MAX_TICKS_PER_LOOK + 17;
    await tickDueSchedules(alone(), START + n * SECOND);
    expect((await tasksOf("many")).length).toBe(MAX_TICKS_PER_LOOK);
    await tickDueSchedules(alone(), START + n * SECOND);
    await tickDueSchedules(alone(), START + n * SECOND);
    expect(await ticksOf("many")).toEqual(upTo(n));
  });

  it("run one after the other where the schedule skips: none is lost, and none overlaps", async () => {
    await put("chain", { every: "10s", overlap: "skip", catchUp: "all" });
    await tick(START + 35 * SECOND);
    expect((await tasksOf("chain")).map((task) => task.state)).toEqual(["queued", "waiting", "waiting"]);
  });

  it("do not have those left out that come in time while they are made up for", async () => {
    await put("behind", { every: "10s", overlap: "skip", catchUp: "all" });
    await tick(START + 30 * SECOND);
    for (const second of [40, 50, 60]) await tick(START + second * SECOND);
    expect((await tasksOf("behind")).map((task) => task.state)).toEqual(["queued", ...Array(5).fill("waiting")]);
    // A task that takes longer than its interval catches up all the same, and skips again.
    await tick(START + 70 * SECOND);
    expect(await ticksOf("behind")).toEqual([10, 20, 30, 40, 50, 60]);
    for (const task of await tasksOf("behind")) await end(task.id);
    await tick(START + 80 * SECOND);
    await tick(START + 90 * SECOND);
    expect(await ticksOf("behind")).toEqual([10, 20, 30, 40, 50, 60, 80]);
  });

  it("have tasks that were made when they were made, in the order of the ticks", async () => {
    await put("made", { ...missed, catchUp: "all" });
    await tick(START + 105 * SECOND);
    const tasks = await tasksOf("made");
    expect(new Set(tasks.map((task) => task.createdAt))).toEqual(new Set([START + 105 * SECOND]));
    expect(new Set(tasks.map((task) => task.runAt))).toEqual(new Set([START + 105 * SECOND]));
    expect(tasks.map((task) => task.id)).toEqual(tasks.map((task) => task.id).toSorted());
    const { items: after } = await listTasks(env.DB, { tenant, createdAfter: START + 104 * SECOND }, null, 100);
    expect(after.length).toBe(10);
  });

  it("do not come back after a pause", async () => {
    await put("paused", { ...missed, catchUp: "all" });
    await pauseSchedule(alone(), tenant, "paused", START + 5 * SECOND);
    await tick(START + 95 * SECOND);
    const row = await resumeSchedule(alone(), tenant, "paused", START + 95 * SECOND);
    expect(row!.nextAt).toBe(START + 100 * SECOND);
    await tick(START + 100 * SECOND);
    expect(await ticksOf("paused")).toEqual([100]);
  });
});

describe("a tick while the task of the one before is live", () => {
  it("is left out with skip", async () => {
    await put("skip", { every: "10s" });
    await tick(START + 10 * SECOND);
    await tick(START + 20 * SECOND);
    const [first] = await tasksOf("skip");
    await end(first!.id);
    await tick(START + 30 * SECOND);
    expect(await ticksOf("skip")).toEqual([10, 30]);
  });

  it("makes a task beside it with allow", async () => {
    await put("allow", { every: "10s", overlap: "allow" });
    for (const n of [10, 20, 30]) await tick(START + n * SECOND);
    expect((await tasksOf("allow")).map((task) => task.state)).toEqual(["queued", "queued", "queued"]);
  });

  it("makes a task that starts when that one has ended with queue, in order", async () => {
    await put("queue", { every: "10s", overlap: "queue" });
    for (const n of [10, 20, 30]) await tick(START + n * SECOND);
    const states = async () => (await tasksOf("queue")).map((task) => task.state);
    const [first, second, third] = await tasksOf("queue");
    expect(await states()).toEqual(["queued", "waiting", "waiting"]);
    await end(first!.id);
    expect(await states()).toEqual(["succeeded", "queued", "waiting"]);
    await cancel(alone(), [second!.id], null, START + 3_600 * SECOND);
    expect(await states()).toEqual(["succeeded", "cancelled", "queued"]);
    expect((await readTask(env.DB, tenant, third!.id))!.waitingFor).toBeNull();
    await end(third!.id);
    await tick(START + 40 * SECOND);
    expect(await states()).toEqual(["succeeded", "cancelled", "succeeded", "queued"]);
  });

  it("cancels it with replace, and the tasks that it has spawned", async () => {
    await put("replace", { every: "10s", overlap: "replace" });
    await tick(START + 10 * SECOND);
    const [first] = await tasksOf("replace");
    await claimOne(env.DB, first!.id);
    await tick(START + 20 * SECOND);
    await tick(START + 30 * SECOND);
    const tasks = await tasksOf("replace");
    expect(tasks.map((task) => task.state)).toEqual(["running", "cancelled", "queued"]);
    expect(tasks[0]).toMatchObject({ cancelReason: "replaced by the schedule's next tick" });
  });

  it("cancels nothing where the schedule has changed since it was looked at", async () => {
    await put("changed", { every: "10s", overlap: "replace" });
    await tick(START + 10 * SECOND);
    const pausing = new Proxy(env.DB, {
      get(db, name) {
        if (name === "prepare") return db.prepare.bind(db);
        if (name !== "batch") return Reflect.get(db, name) as unknown;
        return async (statements: D1PreparedStatement[]) => {
          await pauseSchedule(alone(), tenant, "changed", START);
          return db.batch(statements);
        };
      },
    });
    await tick(START + 20 * SECOND, pausing);
    expect((await tasksOf("changed")).map((task) => task.state)).toEqual(["queued"]);
  });
});

describe("whatever dies at whatever statement", () => {
  const kinds = [
    { overlap: "allow", catchUp: "all" },
    { overlap: "skip", catchUp: "all" },
    { overlap: "queue", catchUp: "all" },
    { overlap: "replace", catchUp: "all" },
  ] as const;

  it.for(kinds)("no tick is lost or doubled with $overlap and $catchUp", async (kind) => {
    // How many calls a life without a death takes.
    const whole = mortal(env.DB, { atCall: null, when: "before" });
    let n = 0;
    for (let call = 1; call <= Math.max(1, whole.calls()); call++) {
      for (const when of ["before", "after"] as const) {
        const id = `dies-${++n}`;
        const { db } = mortal(env.DB, { atCall: call, when });
        await put(id, { every: "10s", input: id, ...kind });
        await tick(START + 10 * SECOND, db).catch(() => {});
        await tick(START + 45 * SECOND, mortal(env.DB, { atCall: call, when }).db).catch(() => {});
        await tick(START + 45 * SECOND);
        await tick(START + 50 * SECOND, n === 1 ? whole.db : env.DB);
        const ticks = await ticksOf(id);
        expect(ticks, `${when} call ${call}`).toEqual([10, 20, 30, 40, 50]);
        const { lastRuns } = presentSchedule((await readSchedule(env.DB, tenant, id))!);
        expect(lastRuns.length).toBe(ticks.length);
        expect(new Set(lastRuns.map((run) => run.taskId)).size).toBe(ticks.length);
        await env.DB.prepare("DELETE FROM schedules").run();
      }
    }
    expect(n, "lives").toBeGreaterThanOrEqual(6);
  });

  it("there is exactly one catch-up with last", async () => {
    for (const when of ["before", "after"] as const) {
      for (const call of [1, 2, 3]) {
        const id = `last-${when}-${call}`;
        await put(id, { every: "10s", overlap: "allow", catchUp: "last" });
        await tick(START + 10 * SECOND);
        await tick(START + 95 * SECOND, mortal(env.DB, { atCall: call, when }).db).catch(() => {});
        await tick(START + 95 * SECOND);
        expect(await ticksOf(id)).toEqual([10, 80, 90]);
      }
    }
  });

  it("two clocks at once make each task once", async () => {
    await put("twice", { every: "1s", overlap: "allow", catchUp: "all" });
    await Promise.all(upTo(4).map(() => tick(START + 40 * SECOND)));
    expect(await ticksOf("twice")).toEqual(upTo(40));
  });
});

describe("a crowd", () => {
  it("of 2,000 schedules that are due in the same minute is made by one tick of the clock", async () => {
    await env.DB.prepare(
      `INSERT INTO schedules (tenant, id, source, spec, input, anchor, next_at, created_at, updated_at)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
       SELECT ?1, 'crowd-' || i, 'api', json_object('cron', '30 2 * * *', 'timezone', 'Europe/Berlin', 'task', 'test.add',
         'overlap', 'skip', 'catchUp', 'last'), '{"x":1,"y":2}', 0, ?2, ?2, ?2 FROM n`,
    )
      .bind(tenant, Date.parse("2035-01-01T01:30:00Z"))
      .run();
    await tick(Date.parse("2035-01-01T01:30:00.500Z"));
    expect(await tasksIn(tenant)).toBe(2_000);
  });

  async function tasksIn(of: string): Promise<number> {
    const count = env.DB.prepare("SELECT COUNT(*) AS n FROM tasks WHERE tenant = ?1").bind(of);
    return (await count.first<number>("n"))!;
  }
});

describe("an upsert", () => {
  it("by twenty at once makes one schedule that waits for one tick", async () => {
    const puts = await Promise.all(upTo(20).map((n) => put("one", { every: "10s" }, START + n)));
    expect(puts.filter((each) => each.created).length).toBe(1);
    expect(new Set(puts.map(({ row }) => row.nextAt)).size).toBe(1);
    await tick(START + 10 * SECOND + 20);
    expect((await tasksOf("one")).length).toBe(1);
  });

  it("of twenty different ones at once leaves one of them whole", async () => {
    await Promise.all(upTo(20).map((n) => put("race", { every: n * SECOND, input: n }, START)));
    const row = (await readSchedule(env.DB, tenant, "race"))!;
    expect(presentSchedule(row)).toMatchObject({ every: Number(row.input) * SECOND });
    expect(row.nextAt).toBe(START + Number(row.input) * SECOND);
  });

  it("writes nothing where nothing changes", async () => {
    const { db, written } = countRows(env.DB);
    await put("same", { every: "10s", input: { a: 1 } }, START, db);
    expect(written()).toBe(2);
    await put("same", { every: "10s", input: { a: 1 } }, START + 5, db);
    expect(written()).toBe(0);
  });

  it("with the same interval keeps its phase, and with another begins anew", async () => {
    await put("phase", { every: "10s" });
    await put("phase", { every: "10s", input: 1 }, START + 4 * SECOND);
    expect((await readSchedule(env.DB, tenant, "phase"))!.nextAt).toBe(START + 10 * SECOND);
    await put("phase", { every: "7s", input: 1 }, START + 4 * SECOND);
    expect((await readSchedule(env.DB, tenant, "phase"))!.nextAt).toBe(START + 11 * SECOND);
    const startAt = new Date(START + 2 * SECOND).toISOString();
    await put("phase", { every: "7s", startAt }, START + 4 * SECOND);
    expect((await readSchedule(env.DB, tenant, "phase"))!.nextAt).toBe(START + 9 * SECOND);
  });

  it("keeps a tick that is due already, and a pause that it does not mention", async () => {
    await put("due", { every: "10s" });
    await put("due", { every: "10s", input: 2 }, START + 12 * SECOND);
    await tick(START + 12 * SECOND);
    expect(await ticksOf("due")).toEqual([10]);
    await pauseSchedule(alone(), tenant, "due", START);
    const { row } = await put("due", { every: "10s", input: 3 }, START + 13 * SECOND);
    expect(row).toMatchObject({ paused: 1, nextAt: null });
    expect((await put("due", { every: "10s", paused: false }, START + 13 * SECOND)).row.nextAt).toBe(
      START + 20 * SECOND,
    );
  });

  it("with an end ticks until then", async () => {
    await put("ends", { every: "10s", endAt: new Date(START + 20 * SECOND).toISOString(), overlap: "allow" });
    for (const n of [10, 20, 30]) await tick(START + n * SECOND);
    expect(await ticksOf("ends")).toEqual([10, 20]);
    expect(presentSchedule((await readSchedule(env.DB, tenant, "ends"))!)).toMatchObject({
      nextRunAt: null,
      nextRuns: [],
    });
  });
});

describe("a run by hand", () => {
  it("makes a task at once and leaves the ticks where they are", async () => {
    await put("run", { every: "10s" });
    const task = await runSchedule(alone(), tenant, "run", START + 3 * SECOND);
    expect(JSON.parse(task!.tags!)).toEqual({ schedule: "run", tick: "2035-01-01T00:00:03.000Z" });
    await end(task!.id);
    await tick(START + 10 * SECOND);
    expect(await ticksOf("run")).toEqual([3, 10]);
  });

  it("does not let the next tick overlap with the one before", async () => {
    await put("both", { every: "10s" });
    await tick(START + 10 * SECOND);
    const task = await runSchedule(alone(), tenant, "both", START + 13 * SECOND);
    await end(task!.id);
    await tick(START + 20 * SECOND);
    expect(await ticksOf("both")).toEqual([10, 13]);
  });

  it("works while it is paused, and not where there is none", async () => {
    await put("idle", { every: "10s", paused: true });
    expect((await runSchedule(alone(), tenant, "idle", START))!.state).toBe("queued");
    expect((await readSchedule(env.DB, tenant, "idle"))!.nextAt).toBeNull();
    expect(await runSchedule(alone(), tenant, "nowhere", START)).toBeNull();
  });
});

describe("schedules declared in code", () => {
  const declared: DeclaredSchedule[] = [
    { id: "a", cron: "0 3 * * *", task: "test.noop" },
    { id: "b", every: "1h", task: "test.add", input: { x: 1, y: 1 } },
  ];
  const read = (id: string) => readSchedule(env.DB, "default", id);

  it("come, change and go with the list, and stay paused", async () => {
    await declareSchedules(alone(), declared, START);
    expect(await read("a")).toMatchObject({ source: "code", nextAt: START + 3 * 60 * MINUTE });
    expect((await read("b"))!.nextAt).toBe(START + 60 * MINUTE);
    await pauseSchedule(alone(), "default", "a", START);
    await declareSchedules(alone(), [{ ...declared[0]!, cron: "0 4 * * *" }], START);
    expect(await read("a")).toMatchObject({ paused: 1, nextAt: null });
    expect(await read("b")).toBeNull();
  });

  it("are not changed over the API", async () => {
    await declareSchedules(alone(), declared, START);
    const raw = { every: "2h", task: "test.noop" } as const;
    const written = { raw, parsed: putScheduleSchema.parse(raw) };
    const change = putSchedule(alone(), { tenant: "default", source: "api" }, "b", written, START);
    await expect(change).rejects.toMatchObject({ problem: { name: "schedule-conflict" } });
  });

  it("that make no sense are left out, and the others come", async () => {
    const faulty = [
      { id: "bad", cron: "61 * * * *", task: "test.noop" },
      { id: "worse", every: "1h", task: "none" },
    ];
    await declareSchedules(alone(), [...(faulty as DeclaredSchedule[]), ...declared], START);
    expect([await read("bad"), await read("worse")]).toEqual([null, null]);
    expect(await read("b")).not.toBeNull();
  });
});
