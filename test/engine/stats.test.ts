/** Figures: what they say, and that neither making nor reading them depends on how much has happened. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { cancel } from "../../src/engine/cancel.ts";
import { commit } from "../../src/engine/commit.ts";
import { expire } from "../../src/engine/expire.ts";
import { countEnd, sumOf, type Counts } from "../../src/core/counts.ts";
import { groupOf } from "../../src/core/error-groups.ts";
import { auditOf, systemActor } from "../../src/engine/audit.ts";
import { ignoreError, listErrorGroups, resolveError } from "../../src/engine/stats/error-groups.ts";
import { writeCounts } from "../../src/engine/stats/observe.ts";
import { describeSeries, type SeriesQuery } from "../../src/engine/stats/series.ts";
import { describeStats } from "../../src/engine/stats/stats.ts";
import {
  addFailures,
  addForgetGroups,
  GROUP_KEPT_MS,
  MAX_GROUPS,
  readErrorGroups,
  type GroupPlace,
} from "../../src/results/error-groups.ts";
import { noteDeploy } from "../../src/clock/deploys.ts";
import { holdLane, resumeLane } from "../../src/results/lanes/lanes.ts";
import { listIds } from "../../src/results/list-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { countLiveByTask } from "../../src/results/live-counts.ts";
import { Batch, persist } from "../../src/results/d1.ts";
import {
  addDays,
  addFold,
  DAY_SPAN,
  addRollups,
  beginningOf,
  forgetRollups,
  readRollups,
  SPANS,
  UNFOLDED_SPAN,
} from "../../src/results/rollups.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { countRows } from "./count-rows.ts";
import { claimOne, endOf, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";
import { runs } from "../setup/runs.ts";

let tenant: string;

beforeEach(async () => {
  tenant = newTenant();
  await writeCounts(env);
});

/** Folds at most so many rows; answers whether more is left. */
async function fold(limit: number): Promise<boolean> {
  const batch = new Batch(env.DB);
  const isMore = addFold(batch, env.DB, limit);
  await batch.run(persist);
  return isMore();
}

async function run(lane: "bulk" | "default", failed = false): Promise<void> {
  const task = newTask(tenant, { lane, maxAttempts: 1 });
  await insertTasks(env.DB, [task]);
  const claimed = await claimOne(env.DB, task.id);
  const error = { type: "Error", message: "no" };
  const ending = failed ? ({ outcome: "failed", error, retryable: false } as const) : undefined;
  const end = endOf(claimed, ending);
  await commit(quietEnv(), [{ ...end, at: claimed.startedAt + 100 }]);
}

describe("figures", () => {
  it("tell what ended, and how long it waited and ran, in all and by task and lane", async () => {
    for (let i = 0; i < 9; i++) await run("default");
    await run("bulk", true);
    const stats = await describeStats(quietEnv(), tenant, Date.now());
    expect(stats.states).toMatchObject({ succeeded: 9, failed: 1, queued: 0, running: 0 });
    for (const window of [stats.lastHour, stats.lastDay]) {
      expect(window.ended).toEqual({ succeeded: 9, failed: 1, cancelled: 0, expired: 0 });
      expect(window.runMs.p50).toBeGreaterThan(90);
      expect(window.runMs.p95).toBeLessThan(110);
    }
    expect(stats.tasks.map((each) => each.task)).toEqual(["test.noop"]);
    expect(stats.lanes.find((each) => each.lane === "bulk")!.lastHour.ended.failed).toBe(1);
    expect(stats.lanes.find((each) => each.lane === "high")!.states.succeeded).toBe(0);
  });

  it("tell what is on its way now", async () => {
    await insertTasks(env.DB, [newTask(tenant), newTask(tenant, { delay: "1h" }), newTask(tenant, { lane: "bulk" })]);
    const stats = await describeStats(quietEnv(), tenant, Date.now());
    expect(stats.states).toMatchObject({ queued: 2, scheduled: 1, succeeded: 0 });
    expect(stats.lanes.find((each) => each.lane === "bulk")!.states.queued).toBe(1);
    expect(stats.lastHour.waitMs).toEqual({ p50: null, p95: null });
  });

  it("count the tasks that wait without a time, up to the bound", async () => {
    const queued = newTask(tenant);
    const waiting = Array.from({ length: 6 }, () => ({ ...newTask(tenant), state: "waiting" as const, dueAt: null }));
    await insertTasks(env.DB, [queued, ...waiting]);
    const { states } = await describeStats(quietEnv(), tenant, Date.now());
    expect(states).toMatchObject({ queued: 1, waiting: 6 });
    const all = await countLiveByTask(env.DB, tenant, { timed: 10_000, untimed: 6 });
    expect([all.capped, all.counts.length]).toEqual([false, 2]);
    expect((await countLiveByTask(env.DB, tenant, { timed: 10_000, untimed: 5 })).capped).toBe(true);
  });

  it("count tasks that end without an attempt", async () => {
    const [gone, late] = [newTask(tenant), newTask(tenant, { expiresIn: 1 })];
    await insertTasks(env.DB, [gone, late]);
    await cancel(quietEnv(), [gone.id], null, Date.now() + 10);
    await expire(quietEnv(), [late.id], Date.now() + 10);
    const stats = await describeStats(quietEnv(), tenant, Date.now() + 20);
    expect(stats.states).toMatchObject({ cancelled: 1, expired: 1 });
  });

  it("are each tenant's own", async () => {
    await run("default");
    const stats = await describeStats(quietEnv(), newTenant(), Date.now());
    expect(stats.states.succeeded).toBe(0);
    expect(stats.tasks).toEqual([]);
  });
});

describe("the metrics", () => {
  it("count what is folded, and every minute that is not", async () => {
    const counts: Counts = {};
    countEnd(counts, { task: "metric", lane: "default" }, "succeeded");
    const minute = beginningOf(SPANS.minute, Date.now());
    for (const [span, at] of [
      [SPANS.total, 0],
      [UNFOLDED_SPAN, minute],
      [UNFOLDED_SPAN, minute - SPANS.minute],
    ] as const) {
      await addRollups(env.DB, [{ tenant: "default", span, at, counts }]);
    }
    const answer = await new AssembledWorker().fetch("/metrics");
    expect(await answer.text()).toContain(
      'lovage_tasks_ended_total{task="metric",lane="default",state="succeeded"} 3\n',
    );
  });
});

describe("counting", () => {
  it("adds nothing to the rows of a task of its tenant, and a row to a whole burst of them", async () => {
    const { db, written } = countRows(env.DB);
    const tasks = Array.from({ length: 50 }, () => newTask(tenant));
    await insertTasks(db, tasks);
    const claimed = await Promise.all(tasks.map((task) => claimOne(db, task.id)));
    await commit(
      quietEnv(db),
      claimed.map((task) => endOf(task)),
    );
    expect(written()).toBe(50 * 5);
    await writeCounts(quietEnv(db));
    const rollups = written();
    console.log(`50 tasks cost ${50 * 5} rows, and counting them ${rollups}`);
    expect(rollups).toBeLessThanOrEqual(2);
    await writeCounts(quietEnv(db));
    expect(written()).toBe(0);
  });

  it("adds up whatever is counted in a span, and loses nothing where it meets", async () => {
    const at = beginningOf(SPANS.minute, Date.now());
    const of = (counts: Record<string, number>) => [{ tenant, span: SPANS.minute, at, counts }];
    await Promise.all(Array.from({ length: 20 }, (_, i) => addRollups(env.DB, of({ a: 1, [`b${i % 2}`]: i }))));
    expect(await readRollups(env.DB, tenant, SPANS.minute, [at])).toEqual([{ a: 20, b0: 90, b1: 100 }]);
  });

  it("is folded into minutes, hours and the total once, whatever is repeated, and reads the same before and after", async () => {
    const now = Date.now();
    const at = beginningOf(SPANS.minute, now);
    const count = () => addRollups(env.DB, [{ tenant, span: UNFOLDED_SPAN, at, counts: { a: 1, b: 2 } }]);
    const read = () =>
      Promise.all(
        Object.values(SPANS).map(async (span) =>
          sumOf(await readRollups(env.DB, tenant, span, [beginningOf(span, now)], now)),
        ),
      );
    for (const times of [1, 2, 3]) {
      await count();
      const before = await read();
      expect(before).toEqual(Array.from({ length: 3 }, () => ({ a: times, b: 2 * times })));
      for (let again = 0; again < 3; again++) {
        await fold(500);
        expect(await read()).toEqual(before);
      }
    }
    const rows = await env.DB.prepare("SELECT span FROM rollups WHERE tenant = ?1 ORDER BY span").bind(tenant).all();
    expect(rows.results.map((row) => row["span"])).toEqual(Object.values(SPANS).toSorted((a, b) => a - b));
  });

  it("folds every tenant's counts, many at a time", async () => {
    const at = beginningOf(SPANS.minute, Date.now());
    const tenants = Array.from({ length: 12 }, newTenant);
    const rollups = tenants.flatMap((each) =>
      [0, 1].map((back) => ({ tenant: each, span: UNFOLDED_SPAN, at: at - back * SPANS.minute, counts: { a: 1 } })),
    );
    await addRollups(env.DB, rollups);
    let rounds = 0;
    for (let isMore = true; isMore; rounds++) isMore = await fold(5);
    expect(rounds).toBeLessThanOrEqual(6);
    for (const each of tenants) {
      expect(sumOf(await readRollups(env.DB, each, SPANS.total, [0]))).toEqual({ a: 2 });
    }
  });

  it("forgets minutes after a day, and never the sum", async () => {
    const now = Date.now();
    const ages = [0, 3, 24, 26].map((hours) => now - hours * SPANS.hour);
    await addRollups(
      env.DB,
      ages.flatMap((age) =>
        Object.values(SPANS).map((span) => ({ tenant, span, at: beginningOf(span, age), counts: { a: 1 } })),
      ),
    );
    await forgetRollups(env.DB, now, 1_000).run();
    const left = async (span: (typeof SPANS)[keyof typeof SPANS]) =>
      (
        await readRollups(
          env.DB,
          tenant,
          span,
          ages.map((age) => beginningOf(span, age)),
        )
      ).length;
    expect([await left(SPANS.minute), await left(SPANS.hour)]).toEqual([3, 4]);
    expect(await readRollups(env.DB, tenant, SPANS.total, [0])).toEqual([{ a: 4 }]);
  });
});

/** A task that fails so, with these tags. */
async function fail(message: string, tags: Record<string, string> = {}): Promise<string> {
  const task = newTask(tenant, { maxAttempts: 1, tags });
  await insertTasks(env.DB, [task]);
  const claimed = await claimOne(env.DB, task.id);
  const error = { type: "RangeError", message };
  const end = endOf(claimed, { outcome: "failed", error, retryable: false });
  await commit(quietEnv(), [{ ...end, task: claimed.task, tags: claimed.tags }]);
  return task.id;
}

describe("failures", () => {
  const groups = (filter = {}) => listErrorGroups(quietEnv(), tenant, filter, Date.now());
  const audit = () => auditOf(systemActor("test"), "error.resolve", { tenant, target: null }, Date.now());

  it("are grouped by task, type and message without its numbers, with samples and tags", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 7; n++) ids.push(await fail(`order ${n} is gone`, { customer: n < 5 ? "a" : "b" }));
    await fail("something else");
    const [other, group] = await groups();
    expect(other).toMatchObject({ message: "something else", count: 1 });
    expect(group).toMatchObject({
      task: "test.noop",
      type: "RangeError",
      message: "order # is gone",
      count: 7,
      state: "open",
    });
    expect(group!.sampleIds).toEqual(ids.slice(-5).toReversed());
    expect(group!.tags).toEqual([
      { name: "customer", value: "a", count: 5 },
      { name: "customer", value: "b", count: 2 },
    ]);
    expect(await listErrorGroups(quietEnv(), newTenant(), {}, Date.now())).toEqual([]);
    expect((await groups({ newSince: Date.now() + 1 })).length).toBe(0);

    const found = await listIds(env.DB, { tenant, error: group!.id }, null, 50, 4);
    expect(found.items.toSorted()).toEqual(ids.toSorted());
  });

  it("open a group that was resolved, and one that was ignored until their count", async () => {
    await fail("order 1");
    const { id } = (await groups())[0]!;
    await scheduler.wait(2);
    expect(await resolveError(quietEnv(), tenant, id, Date.now(), audit())).toMatchObject({
      state: "resolved",
      count: 1,
    });
    await scheduler.wait(2);
    await fail("order 2");
    expect(await groups()).toMatchObject([{ state: "open", count: 2 }]);
    await ignoreError(quietEnv(), tenant, id, 4, Date.now(), audit());
    await fail("order 3");
    expect(await groups()).toMatchObject([{ state: "ignored", count: 3, untilCount: 4 }]);
    await fail("order 4");
    expect(await groups()).toMatchObject([{ state: "open", count: 4, untilCount: null }]);
    expect(await resolveError(quietEnv(), newTenant(), id, Date.now(), audit())).toBeNull();
  });

  it("cost their tasks no row and no statement, and a row each time that they are written down", async () => {
    const { db, written } = countRows(env.DB);
    const tasks = Array.from({ length: 30 }, () => newTask(tenant, { maxAttempts: 1 }));
    await insertTasks(db, tasks);
    const claimed = await Promise.all(tasks.map((task) => claimOne(db, task.id)));
    const error = { type: "Error", message: "no 1" };
    const ends = claimed.map((task) => ({
      ...endOf(task, { outcome: "failed", error, retryable: false }),
      task: task.task,
    }));
    written();
    await commit(quietEnv(db), ends);
    // The end, and its entry in the index of what ended badly.
    expect(written()).toBe(30 * 2);
    await writeCounts(quietEnv(db));
    // What is counted of the tenant, what it uses, and the group.
    expect(written()).toBeLessThanOrEqual(3);
  });

  it("have a bounded number of groups: those that failed last, for a month", async () => {
    const now = Date.now();
    const failures = Array.from({ length: MAX_GROUPS + 7 }, (_, n) => {
      const group = groupOf(`task${n}`, { type: "Error", message: "no" });
      return { ...group, tenant, count: 1, firstAt: now - n, lastAt: now - n, samples: [], tags: {} };
    });
    await env.DB.batch(addFailures(env.DB, failures));
    const rows = await readErrorGroups(env.DB, tenant, 0);
    expect(rows.length).toBe(MAX_GROUPS);
    expect(rows.at(-1)!.task).toBe(`task${MAX_GROUPS - 1}`);
    let rounds = 0;
    for (let place: GroupPlace | undefined = ["", ""]; place !== undefined; rounds++) {
      const batch = new Batch(env.DB);
      const next = addForgetGroups(batch, env.DB, now + GROUP_KEPT_MS - 9, place, 200);
      await batch.run(persist);
      place = next();
    }
    expect(rounds).toBeGreaterThanOrEqual(3);
    expect(await readErrorGroups(env.DB, tenant, 0)).toHaveLength(10);
  });
});

describe("writing failures down", () => {
  it("reads no other groups of their tenants but where a group is new, and trims those of a few tenants at a time", async () => {
    const now = Date.now();
    const tenants = Array.from({ length: 30 }, newTenant);
    const failure = (own: string, task: string) => {
      const group = groupOf(task, { type: "Error", message: "no" });
      return { ...group, tenant: own, count: 1, firstAt: now, lastAt: now, samples: [], tags: {} };
    };
    const known = tenants.map((each) => failure(each, "known"));
    await env.DB.batch(addFailures(env.DB, known));
    await env.DB.prepare(
      `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${MAX_GROUPS})
       INSERT INTO error_groups (tenant, id, task, type, message, count, first_at, last_at, samples, tags)
       SELECT value, 'err_' || printf('%013d', n), 'test', 'Error', 'no', 1, 0, n, '[]', '{}' FROM json_each(?1), n`,
    )
      .bind(JSON.stringify(tenants))
      .run();
    const { db, read } = countRows(env.DB);
    const count = async () =>
      (await env.DB.prepare(
        "SELECT COUNT(*) AS count FROM error_groups WHERE tenant IN (SELECT value FROM json_each(?1))",
      )
        .bind(JSON.stringify(tenants))
        .first<number>("count"))!;
    await db.batch(addFailures(db, known));
    expect(read()).toBeLessThanOrEqual(400);
    expect(await count()).toBe(30 * (MAX_GROUPS + 1));
    await db.batch(
      addFailures(
        db,
        tenants.map((each) => failure(each, "new")),
      ),
    );
    const rows = read();
    console.log(`a write of new groups of 30 tenants that have 500 reads ${rows} rows`);
    expect(rows).toBeLessThanOrEqual(20 * 2 * (MAX_GROUPS + 20));
    expect(await count()).toBe(30 * (MAX_GROUPS + 2) - 20 * 2);
    await env.DB.prepare("DELETE FROM error_groups WHERE tenant IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(tenants))
      .run();
  });
});

describe("a series", () => {
  const read = (query: Partial<SeriesQuery>, now = Date.now()) =>
    describeSeries(quietEnv(), tenant, { span: "1h", by: null, metric: null, ...query }, now);

  it("has a point for each step, with what ended, by lane, error and cause", async () => {
    await run("default");
    await run("bulk", true);
    const [retried, slow] = [newTask(tenant), newTask(tenant, { concurrency: { key: tenant, limit: 1 } })];
    await insertTasks(env.DB, [retried, slow]);
    const error = { type: "My Error", message: "no" };
    const claimed = await claimOne(env.DB, retried.id);
    const late = await claimOne(env.DB, slow.id);
    await commit(quietEnv(), [
      // Later than any clock that runs beside the test.
      endOf(claimed, { outcome: "failed", error, retryable: true, delayMs: 3_600_000 }),
      { ...endOf(late), startedAt: late.runAt + 5_000, at: late.runAt + 6_000, limitedBy: late.limitedBy },
    ]);
    // A minute may have begun in between.
    const now = Date.now() + SPANS.minute;
    const { items, stepMs, names } = await read({ by: "lane" }, now);
    expect([items.length, stepMs, names]).toEqual([60, SPANS.minute, ["default", "bulk"]]);
    expect(items.every(({ at }, i) => i === 0 || Date.parse(at) === Date.parse(items[i - 1]!.at) + SPANS.minute)).toBe(
      true,
    );
    const sum = (select: (item: (typeof items)[number]) => number | undefined) =>
      items.reduce((total, item) => total + (select(item) ?? 0), 0);
    expect(sum((item) => item.ended!.succeeded)).toBe(2);
    expect(sum((item) => item.ended!.failed)).toBe(1);
    expect(sum((item) => item.groups!.find(({ name }) => name === "bulk")?.ended!.failed)).toBe(1);
    expect(sum((item) => item.errors!["My_Error"])).toBe(1);
    expect(sum((item) => item.errors!["Error"])).toBe(1);
    expect(sum((item) => item.waits!["retry"])).toBe(1);
    expect(sum((item) => item.waits!["concurrency"])).toBe(1);
    expect(items.filter(({ runMs }) => runMs!.p50 !== null).length).toBeGreaterThan(0);

    const one = await read({ metric: "errors", span: "24h" }, now);
    expect(one.items.length).toBe(1_440);
    expect(Object.keys(one.items[0]!)).toEqual(["at", "errors"]);
    while (await fold(500));
    expect((await read({ by: "lane" }, now)).items).toEqual(items);
  });

  it("of a year is the same before and after hours have become days, and days are forgotten after a year", async () => {
    const now = Date.now();
    const hours = Array.from({ length: 60 * 24 }, (_, i) => beginningOf(SPANS.hour, now) - i * SPANS.hour);
    const ended = { "a default succeeded": 1 };
    const rollup = (at: number) => ({ tenant, at, counts: ended, causes: { "a default error:E": 1 } });
    await addRollups(
      env.DB,
      hours.map((at) => ({ ...rollup(at), span: SPANS.hour })),
    );
    const days = [400, 366, 364].map((days) => beginningOf(DAY_SPAN, now - days * DAY_SPAN));
    await addRollups(
      env.DB,
      days.map((at) => ({ ...rollup(at), span: DAY_SPAN })),
    );
    const before = await describeSeries(quietEnv(), tenant, { span: "365d", by: null, metric: null }, now);
    const total = (member: "succeeded" | "E") =>
      before.items.reduce((sum, { ended, errors }) => sum + (member === "E" ? (errors!["E"] ?? 0) : ended![member]), 0);
    // Hours that are older than hours are kept are only read as days.
    expect(total("succeeded")).toBeGreaterThan(31 * 24);
    // The clock of this database may fold some of them meanwhile.
    for (let isMore = true; isMore;) {
      const batch = new Batch(env.DB);
      const more = addDays(batch, env.DB, now, 100);
      await batch.run(persist);
      isMore = more();
    }
    await forgetRollups(env.DB, now, 1_000).run();
    const { db, read: rowsRead, most } = countRows(env.DB);
    const after = await describeSeries(quietEnv(db), tenant, { span: "365d", by: "task", metric: null }, now);
    console.log(`a year's series reads ${rowsRead()} rows`);
    expect(most()).toBeLessThanOrEqual(60);
    const sums = after.items.map(({ ended, errors }) => [ended!.succeeded, errors!["E"] ?? 0]);
    expect(sums.reduce((sum, [count = 0]) => sum + count, 0)).toBe(60 * 24 + 1);
    expect(sums.every(([count, errors]) => count === errors)).toBe(true);
    expect(after.items.slice(-31).map(({ ended }) => ended)).toEqual(before.items.slice(-31).map(({ ended }) => ended));
    const { results } = await env.DB.prepare(
      "SELECT span, COUNT(*) AS count FROM rollups WHERE tenant = ?1 GROUP BY span ORDER BY span",
    )
      .bind(tenant)
      .all<{ span: number; count: number }>();
    expect(results.find(({ span }) => span === SPANS.hour)!.count).toBeLessThanOrEqual(32 * 24);
  });

  it("marks what happened to the service, to the minute for a day, before and after it is folded", async () => {
    const now = Date.now();
    const at = (minutes: number) => now - minutes * SPANS.minute;
    const key = (name: string, lane: string | null) => [name, lane];
    const marks = async (span: "1h" | "24h" | "30d" | "365d" = "1h") =>
      (await read({ span }, now)).marks.map(({ at, kind, lane, version }) => [
        Date.parse(at),
        ...key(kind, lane),
        ...(version === null ? [] : [version]),
      ]);
    const before = await marks();
    await holdLane(env.DB, "paused", { name: "bulk", reason: "maintenance", until: null }, at(9));
    await holdLane(env.DB, "paused", { name: "bulk", reason: "maintenance", until: null }, at(8));
    await resumeLane(env.DB, "bulk", null, at(6));
    await resumeLane(env.DB, "bulk", null, at(5));
    await holdLane(env.DB, "draining", { name: "long", reason: null, until: null }, at(4));
    await resumeLane(env.DB, "long", null, at(3));
    const held = new Map<string, unknown>();
    const kv = { get: (key: string) => held.get(key), put: (key: string, value: unknown) => held.set(key, value) };
    for (const [id, minutes] of [
      ["v1", 3],
      ["v2", 2],
      ["v2", 1],
    ] as const) {
      const version = { id, tag: "", timestamp: "" };
      await noteDeploy({ ...env, CF_VERSION_METADATA: version }, kv as unknown as SyncKvStorage, at(minutes));
    }
    const minute = (minutes: number) => beginningOf(SPANS.minute, at(minutes));
    const expected = [
      [minute(9), "pause", "bulk"],
      [minute(6), "resume", "bulk"],
      [minute(4), "drain", "long"],
      [minute(3), "resume", "long"],
      [minute(2), "deploy", null, "v2"],
    ];
    const added = async () => (await marks()).filter((mark) => !before.some((old) => String(old) === String(mark)));
    expect(await added()).toEqual(expected);
    while (await fold(500));
    expect(await added()).toEqual(expected);
    expect((await marks("24h")).slice(-5)).toEqual(expected);
    const [hour, day] = [await marks("30d"), await marks("365d")];
    expect(hour).toContainEqual([beginningOf(SPANS.hour, at(2)), "deploy", null, "v2"]);
    expect(day.some(([, kind, , version]) => kind === "deploy" && version === "v2")).toBe(true);
    expect(
      (await readRollups(env.DB, tenant, SPANS.hour, [beginningOf(SPANS.hour, now)], now)).length,
    ).toBeLessThanOrEqual(1);
  });

  it("keeps a bounded number of causes, those that were counted most", async () => {
    const now = Date.now();
    const at = beginningOf(SPANS.minute, now);
    for (let round = 0; round < 3; round++) {
      const all = Array.from({ length: 150 }, (_, n) => [`a default error:E${round * 100 + n}`, n + 1]);
      const causes = Object.fromEntries(all) as Record<string, number>;
      await addRollups(env.DB, [{ tenant, span: UNFOLDED_SPAN, at, counts: { "a default failed": 1 }, causes }]);
      while (await fold(500));
    }
    const { items } = await read({ metric: "errors" }, now);
    const errors = items.find((item) => Date.parse(item.at) === at)!.errors!;
    expect(Object.keys(errors).length).toBe(200);
    expect([errors["E249"], errors["E100"], errors["E0"]]).toEqual([200, 102, undefined]);
  });

  it("of a day reads at most 5,000 rows, a few at a time, whatever was counted", async () => {
    const now = Date.now();
    const last = beginningOf(SPANS.minute, now);
    const counts = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`a default run:${i}`, 3]));
    const minutes = Array.from({ length: 1_440 }, (_, i) => last - i * SPANS.minute);
    // Of this task there is nothing but in the hour in which the day begins, which is not whole.
    const small = { at: last - 1_439 * SPANS.minute, counts: { ...counts, "b default succeeded": 1 } };
    await addRollups(env.DB, [
      ...minutes.slice(0, -1).map((at) => ({ tenant, span: SPANS.minute, at, counts })),
      { tenant, span: SPANS.minute, ...small },
      ...Array.from({ length: 25 }, (_, i) => ({ at: beginningOf(SPANS.hour, last) - i * SPANS.hour, counts })).map(
        (hour) => ({ tenant, span: SPANS.hour, ...hour }),
      ),
      { tenant, span: SPANS.hour, at: beginningOf(SPANS.hour, small.at), counts: { "b default succeeded": 1 } },
    ]);
    const { db, read: rowsRead, most } = countRows(env.DB);
    const { items, names } = await describeSeries(
      quietEnv(db),
      tenant,
      { span: "24h", by: "task", metric: null },
      last + SPANS.minute - 1,
    );
    expect(names).toEqual(["a", "b"]);
    expect(items.map(({ groups }) => groups!.map(({ name }) => name))).toEqual(
      minutes.map((_, i) => (i === 0 ? ["a", "b"] : ["a"])),
    );
    const rows = rowsRead();
    console.log(`a day's series reads ${rows} rows, ${most()} at most in one statement`);
    expect(rows).toBeLessThan(5_000);
    expect(most()).toBeLessThanOrEqual(60);
  });
});

describe("a million tasks that have ended", () => {
  const MANY = runs(200_000, 1_000_000);
  const CHUNK = 100_000;

  it("are told of without a scan: the rows read are those of the rollups", async () => {
    const now = Date.now();
    for (let from = 0; from < MANY; from += CHUNK) {
      await env.DB.prepare(
        `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, created_at, run_at, started_at, finished_at,
           retention_ms, retain_until)
         WITH RECURSIVE n (i) AS (SELECT ?2 UNION ALL SELECT i + 1 FROM n WHERE i < ?2 + ?3 - 1)
         SELECT 'task_0' || printf('%09d', i), ?1, 'test.noop', 'default', 'succeeded', 3, ?4, ?4, ?4, ?4, 604800000,
           ?4 + 604800000 FROM n`,
      )
        .bind(tenant, from, CHUNK, now)
        .run();
    }
    const counts = (total: number) =>
      Object.fromEntries(
        ["a", "b", "c", "test.noop"].flatMap((task) => [
          [`${task} default succeeded`, total / 4],
          ...Array.from({ length: 30 }, (_, i) => [`${task} default run:${i}`, total / 120] as const),
        ]),
      );
    const full = [
      ...Array.from({ length: 60 }, (_, i) => ({ span: SPANS.minute, back: i * SPANS.minute, total: 40_000 })),
      ...Array.from({ length: 24 }, (_, i) => ({ span: SPANS.hour, back: i * SPANS.hour, total: 48_000 })),
    ];
    await addRollups(
      env.DB,
      full.map(({ span, back, total }) => ({ tenant, span, at: beginningOf(span, now - back), counts: counts(total) })),
    );
    const { db, read } = countRows(env.DB);
    const stats = await describeStats(quietEnv(db), tenant, now);
    const rows = read();
    console.log(`figures over ${MANY} ended tasks read ${rows} rows`);
    expect(stats.states.succeeded).toBe(24 * 48_000);
    expect(stats.tasks.length).toBe(4);
    expect(rows).toBeLessThan(500);
  });
});
