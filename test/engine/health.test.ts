/** How a tenant's work stands, from what is stored. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { watchAlerts } from "../../src/clock/alerts.ts";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick } from "../../src/clock/tick.ts";
import type { Fact } from "../../src/core/health-fact.ts";
import { reportOf } from "../../src/core/health.ts";
import { wake } from "../../src/core/wake.ts";
import { commit } from "../../src/engine/commit.ts";
import { lookAtHealth } from "../../src/engine/health/look.ts";
import { reportHealth } from "../../src/engine/health/report.ts";
import { watchTenant } from "../../src/engine/health/alerts.ts";
import { writeCounts } from "../../src/engine/stats/observe.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { startTasks } from "../../src/results/start-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { glance } from "../../src/results/glance.ts";
import { forgetPause, holdLane, resumeLane } from "../../src/results/lanes/lanes.ts";
import { addRollups, beginningOf, SPANS } from "../../src/results/rollups.ts";
import { countRows } from "./count-rows.ts";
import { claimOne, endOf, newTask, newTenant, newWebhook, quietEnv } from "./webhook-tasks.ts";

const MINUTE = 60_000;

let tenant: string;

beforeEach(async () => {
  tenant = newTenant();
  await writeCounts(env);
});

async function factsAt(now: number): Promise<Fact[]> {
  return reportOf(await lookAtHealth(quietEnv(), tenant, now, null)).facts;
}

const codesAt = async (now: number) => (await factsAt(now)).map(({ code }) => code);

async function schedule(id: string, nextAt: number, lastRuns: unknown[] = []): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO schedules (tenant, id, source, spec, anchor, next_at, last_runs, created_at, updated_at)
     VALUES (?1, ?2, 'api', '{}', 0, ?3, ?4, 0, 0)`,
  )
    .bind(tenant, id, nextAt, JSON.stringify(lastRuns))
    .run();
}

async function fillQueue(of: string, count: number, dueAt: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, created_at, run_at, due_at, retention_ms)
     WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?3 - 1)
     SELECT 'task_0' || printf('%09d', i), ?1, 'test.noop', 'default', 'queued', 3, ?2, ?2, ?2, 604800000 FROM n`,
  )
    .bind(of, dueAt, count)
    .run();
}

/** What the clock does with a queued task that nobody claims until `until`. */
async function postpone({ id, createdAt, runAt, dueAt }: NewTask, until: number): Promise<void> {
  const ends = { startedAt: null, expiresAt: null, leaseUntil: null, retainUntil: null, finishedAt: null };
  for (let at = dueAt!; at <= until;) {
    const next = wake({ state: "queued", createdAt, runAt, ...ends, retentionMs: 1, object: 0 }, at);
    if (next.do !== "ring") throw new Error(next.do);
    await startTasks(env.DB, [], at, [{ id, state: "queued", seen: at, dueAt: next.dueAt }]);
    at = next.dueAt!;
  }
}

describe("the report on a tenant's health", () => {
  it("tells what runs and waits, and of a task that runs while nothing ends", async () => {
    const [running, queued] = [newTask(tenant), newTask(tenant)];
    await insertTasks(env.DB, [running, queued]);
    const claimed = await claimOne(env.DB, running.id);
    const now = Date.now();
    expect(await factsAt(now)).toMatchObject([{ code: "moving", running: 1, queued: 1 }]);
    expect(await codesAt(now + 16 * MINUTE)).toEqual(["moving", "lane-stalled", "backlog-old"]);
    await commit(quietEnv(), [{ ...endOf(claimed), at: now + 8 * MINUTE }]);
    await writeCounts(env);
    expect(await codesAt(now + 16 * MINUTE)).toEqual(["moving", "backlog-old"]);
    const report = await reportHealth(quietEnv(), newTenant(), now);
    expect(report).toMatchObject({ verdict: "ok", summary: "All is well: nothing runs or waits." });
  });

  it("tells of failures above what is usual, and of nothing where they are usual", async () => {
    const now = Date.now();
    const counts = (failed: number, succeeded: number) => ({
      "t default failed": failed,
      "t default succeeded": succeeded,
    });
    const at = beginningOf(SPANS.minute, now);
    await addRollups(env.DB, [{ tenant, span: SPANS.minute, at, counts: counts(12, 30) }]);
    expect(await factsAt(now)).toMatchObject([{ code: "moving" }, { code: "errors-rising", failed: 12, ended: 42 }]);
    const before = beginningOf(SPANS.hour, now) - SPANS.hour;
    await addRollups(env.DB, [{ tenant, span: SPANS.hour, at: before, counts: counts(400, 600) }]);
    expect(await codesAt(now)).toEqual(["moving"]);
  });

  it("tells of a tick that is late, and of one that made no task", async () => {
    const now = Date.now();
    await schedule("late", now - 3 * MINUTE);
    await schedule("next", now + MINUTE);
    await schedule("over", now + MINUTE, [
      { tick: new Date(now - MINUTE).toISOString(), taskId: null, missed: "quota" },
    ]);
    expect((await factsAt(now)).slice(1)).toMatchObject([
      { code: "schedule-missed", subject: "late", tick: new Date(now - 3 * MINUTE).toISOString(), why: null },
      { code: "schedule-missed", subject: "over", tick: new Date(now - MINUTE).toISOString(), why: "quota" },
    ]);
    await env.DB.prepare("DELETE FROM schedules WHERE tenant = ?1").bind(tenant).run();
  });

  it("tells of no tick of a schedule that has ended, and that more were missed than it tells of", async () => {
    const now = Date.now();
    const missed = [{ tick: new Date(now - MINUTE).toISOString(), taskId: null, missed: "quota" }];
    await schedule("ended", now, missed);
    await env.DB.prepare("UPDATE schedules SET next_at = NULL WHERE tenant = ?1").bind(tenant).run();
    expect(await codesAt(now)).toEqual(["idle"]);
    for (let n = 0; n < 5; n++) await schedule(`s${n}`, now + MINUTE, missed);
    expect(await lookAtHealth(quietEnv(), tenant, now, null)).toMatchObject({ unseen: [] });
    await schedule("s5", now + MINUTE, missed);
    const seen = await lookAtHealth(quietEnv(), tenant, now, null);
    expect([seen.missed.length, seen.unseen]).toEqual([5, ["schedule-missed"]]);
    await env.DB.prepare("DELETE FROM schedules WHERE tenant = ?1").bind(tenant).run();
  });

  it("tells since when a lane is paused, and why", async () => {
    const now = Date.now();
    await holdLane(env.DB, "paused", { name: "bulk", reason: "the upstream is down", until: null }, now);
    expect((await factsAt(now))[1]).toMatchObject({
      code: "lane-held",
      lane: "bulk",
      how: "paused",
      since: new Date(now).toISOString(),
      reason: "the upstream is down",
    });
    await resumeLane(env.DB, "bulk");
    await forgetPause(env.DB, "bulk", now);
    expect(await codesAt(now)).toEqual(["idle"]);
  });

  it("reads a bounded number of rows, however many tasks wait", async () => {
    const now = Date.now();
    await fillQueue(tenant, 5_000, now);
    const { db, read } = countRows(env.DB);
    const seen = await lookAtHealth(quietEnv(db), tenant, now, null);
    const rows = read();
    console.log(`a report reads ${rows} rows where 5,000 tasks wait`);
    expect(seen.isWhole).toBe(false);
    expect(rows).toBeLessThan(5_000);
    await env.DB.prepare("DELETE FROM tasks WHERE tenant = ?1").bind(tenant).run();
  });

  it("reads what waits for long once", async () => {
    const now = Date.now();
    const rowsAt = async (dueAt: number) => {
      await fillQueue(tenant, 150, dueAt);
      await env.DB.prepare("UPDATE tasks SET run_at = ?2 WHERE tenant = ?1")
        .bind(tenant, now - 20 * MINUTE)
        .run();
      const { db, read } = countRows(env.DB);
      const { lanes } = await lookAtHealth(quietEnv(db), tenant, now, null);
      expect(lanes.find(({ lane }) => lane === "default")).toMatchObject({ queued: 150 });
      await env.DB.prepare("DELETE FROM tasks WHERE tenant = ?1").bind(tenant).run();
      return read();
    };
    // Those that the clock has postponed are in the index of what waits for long, too: an entry and a task each.
    const [without, within] = [await rowsAt(now - 19 * MINUTE), await rowsAt(now)];
    console.log(`a report reads ${within - without} rows of the index for 150 tasks that wait for long`);
    expect(within - without).toBeLessThanOrEqual(2 * 150 + 10);
  });
});

describe("an alert", () => {
  const missed = ["alert.schedule-missed", "alert.storage"] as const;

  /** What the tenant's endpoints are told, in the order of time. */
  async function told(): Promise<{ type: string; state: string; webhook: string }[]> {
    const { results } = await env.DB.prepare(
      `SELECT deliveries.type, deliveries.webhook_id AS webhook, tasks.input->>'$.payload.data.state' AS state
       FROM deliveries JOIN tasks ON tasks.id = 'task_' || substr(deliveries.id, 5)
       WHERE deliveries.tenant = ?1 ORDER BY deliveries.id`,
    )
      .bind(tenant)
      .all<{ type: string; state: string; webhook: string }>();
    return results;
  }

  const stored = async () =>
    (await env.DB.prepare("SELECT code FROM alerts WHERE tenant = ?1").bind(tenant).all()).results.length;

  const recover = () => env.DB.prepare("DELETE FROM schedules WHERE tenant = ?1").bind(tenant).run();

  it("is raised once and closed once, to the endpoints that listen to it", async () => {
    const now = Date.now();
    const [hears] = await Promise.all([
      newWebhook(tenant, missed),
      newWebhook(tenant),
      newWebhook(tenant, ["alert.storage"]),
    ]);
    await watchTenant(quietEnv(), tenant, now);
    expect(await told()).toEqual([]);
    await schedule("nightly", now - 10 * MINUTE);
    for (const minute of [1, 2, 3]) await watchTenant(quietEnv(), tenant, now + minute * MINUTE);
    const raised = { type: "alert.schedule-missed", state: "raised", webhook: hears.id };
    expect(await told()).toEqual([raised]);
    expect(await stored()).toBe(1);
    await recover();
    for (const minute of [4, 5]) await watchTenant(quietEnv(), tenant, now + minute * MINUTE);
    expect(await told()).toEqual([raised, { ...raised, state: "closed" }]);
    expect(await stored()).toBe(0);
    await schedule("nightly", now - 10 * MINUTE);
    await watchTenant(quietEnv(), tenant, now + 6 * MINUTE);
    expect((await told()).map(({ state }) => state)).toEqual(["raised", "closed", "raised"]);
    await recover();
  });

  it("is told once, its beginning before its end, wherever a look is cut off", async () => {
    const hears = await newWebhook(tenant, missed);
    const now = Date.now();
    let looks = 0;
    let calls = 0;
    let dieAt = Infinity;
    const mortal = new Proxy(env.DB, {
      get: (db, name) =>
        name === "batch"
          ? async (statements: D1PreparedStatement[]) => {
              if (++calls === dieAt) throw new Error("SQLITE_ERROR: cut off");
              return db.batch(statements);
            }
          : (Reflect.get(db, name) as (sql: string) => unknown).bind(db),
    });
    await schedule("nightly", now - 10 * MINUTE);
    for (const [phase, prepare] of [
      ["raised", async () => {}],
      ["closed", recover],
    ] as const) {
      await prepare();
      for (let at = 1; at <= 8; at++) {
        [calls, dieAt] = [0, at];
        await watchTenant(quietEnv(mortal), tenant, now + ++looks * MINUTE).catch(() => undefined);
      }
      dieAt = Infinity;
      await watchTenant(quietEnv(mortal), tenant, now + ++looks * MINUTE);
      expect((await told()).at(-1)).toEqual({ type: "alert.schedule-missed", state: phase, webhook: hears.id });
    }
    expect((await told()).map(({ state }) => state)).toEqual(["raised", "closed"]);
    expect(await stored()).toBe(0);
  });

  it("is raised and closed in time however much a neighbour has on its way", async () => {
    await newWebhook(tenant, ["alert.backlog-old"]);
    const waits = newTask(tenant);
    await insertTasks(env.DB, [waits]);
    const now = Date.now() + 11 * MINUTE;
    await postpone(waits, now);
    const neighbour = newTenant();
    await fillQueue(neighbour, 2_000, now);

    const { db, read } = countRows(env.DB);
    const seen = await lookAtHealth(quietEnv(db), tenant, now, null);
    expect([seen.isWhole, read() < 5_000]).toEqual([false, true]);
    const own = { queued: 1, running: 0, waitsSince: waits.runAt, runsSince: null };
    expect(seen.lanes.find(({ lane }) => lane === "default")).toMatchObject(own);
    await watchTenant(quietEnv(), tenant, now);
    await commit(quietEnv(), [endOf(await claimOne(env.DB, waits.id))]);
    await watchTenant(quietEnv(), tenant, now + MINUTE);
    expect((await told()).map(({ type, state }) => [type, state])).toEqual([
      ["alert.backlog-old", "raised"],
      ["alert.backlog-old", "closed"],
    ]);
    await env.DB.prepare("DELETE FROM tasks WHERE tenant = ?1").bind(neighbour).run();
  });

  it("of an old wait stays open while the clock is late, and may not have seen it", async () => {
    await newWebhook(tenant, ["alert.backlog-old"]);
    const waits = newTask(tenant);
    await insertTasks(env.DB, [waits]);
    const now = waits.runAt + 11 * MINUTE;
    await watchTenant(quietEnv(), tenant, now);
    const neighbour = newTenant();
    await fillQueue(neighbour, 2_000, 1);
    const seen = await lookAtHealth(quietEnv(), tenant, now, null);
    expect([seen.unseen, seen.lanes.some(({ queued }) => queued > 0)]).toEqual([
      ["lane-stalled", "backlog-old"],
      false,
    ]);
    const states = async () => (await told()).map(({ state }) => state);
    for (const minute of [1, 2]) await watchTenant(quietEnv(), tenant, now + minute * MINUTE);
    expect(await states()).toEqual(["raised"]);
    await env.DB.prepare("DELETE FROM tasks WHERE tenant = ?1").bind(neighbour).run();
    await watchTenant(quietEnv(), tenant, now + 3 * MINUTE);
    expect(await states()).toEqual(["raised"]);
    await commit(quietEnv(), [endOf(await claimOne(env.DB, waits.id))]);
    await watchTenant(quietEnv(), tenant, now + 4 * MINUTE);
    expect(await states()).toEqual(["raised", "closed"]);
  });

  it("is of the time of its look, however long the tick of the clock takes", async () => {
    await env.DB.prepare("DELETE FROM webhooks").run();
    await newWebhook(tenant, ["alert.backlog-old"]);
    const waits = newTask(tenant);
    await insertTasks(env.DB, [waits]);
    const began = waits.runAt + 9 * MINUTE;
    await postpone(waits, began);
    const state = new Map<string, unknown>();
    const kv = {
      get: (key: string) => state.get(key),
      put: (key: string, value: unknown) => void state.set(key, value),
    } as unknown as SyncKvStorage;
    let elapsed = 0;
    const CLOCK = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
    await tick({ ...quietEnv(), CLOCK }, kv, began, new Suspects(), { stopwatch: () => (elapsed += 9_000) });
    expect((await told()).map(({ state: phase }) => phase)).toEqual(["raised"]);
  });

  it("is over where no endpoint listens any more", async () => {
    const now = Date.now();
    const webhook = await newWebhook(tenant, missed);
    await schedule("nightly", now - 10 * MINUTE);
    await watchTenant(quietEnv(), tenant, now);
    expect(await stored()).toBe(1);
    await env.DB.prepare("DELETE FROM webhooks WHERE id = ?1").bind(webhook.id).run();
    await watchTenant(quietEnv(), tenant, now + MINUTE);
    expect(await stored()).toBe(0);
    await recover();
  });

  it("is looked for by the clock once a minute, as long as an endpoint listens", async () => {
    const now = Date.now();
    const state = new Map<string, unknown>();
    const kv = {
      get: (key: string) => state.get(key),
      put: (key: string, value: unknown) => void state.set(key, value),
    } as unknown as SyncKvStorage;
    expect(await watchAlerts(quietEnv(), kv, now, false, () => true)).toBeNull();
    const tenants = Array.from({ length: 25 }, newTenant);
    for (const each of tenants) {
      tenant = each;
      await newWebhook(each, missed);
      await schedule("nightly", now - 10 * MINUTE);
    }
    // A round over many tenants goes on in the next ticks.
    let rounds = 0;
    let next: number | null = now;
    for (; next === now && rounds < 50; rounds++) {
      let left = 7;
      next = await watchAlerts(quietEnv(), kv, now, (await glance(env.DB, now, 1)).watched, () => left-- > 0);
    }
    expect(rounds).toBeGreaterThan(3);
    expect(next).toBe(now + MINUTE);
    for (const each of tenants) {
      tenant = each;
      expect([each, (await told()).length]).toEqual([each, 1]);
    }
    const { db, read } = countRows(env.DB);
    expect(await watchAlerts(quietEnv(db), kv, now + MINUTE / 2, true, () => true)).toBe(now + MINUTE);
    expect(read()).toBe(0);
  });
});
