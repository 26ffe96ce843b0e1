/** What a tick may ask of D1, how many ticks a purge takes, and that no table grows for ever. Time is virtual. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick, type Allowance } from "../../src/clock/tick.ts";
import { claimTasks } from "../../src/results/claim-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { databaseOver, executeOn } from "./database-over.ts";
import { newTask, newTenant, newWebhook, quietEnv } from "./webhook-tasks.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

let trips = 0;
let statements = 0;
const execute = executeOn(env.DB);
/** No statement is done that would end this task. */
let stuck: string | null = null;
const db = databaseOver(async (all) => {
  trips++;
  if (stuck !== null && all.some(({ sql, params }) => sql.includes("'expired'") && String(params[0]).includes(stuck!)))
    throw new Error("D1_ERROR: string or blob too big: SQLITE_TOOBIG");
  statements += all.length;
  return execute(all);
});

const TABLES = [
  "tasks",
  "payloads",
  "idempotency",
  "windows",
  "limits",
  "buckets",
  "places",
  "rollups",
  "outbox",
  "flows",
];

let clock: TestClock;
let now: number;

beforeEach(async () => {
  await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
  now = Math.ceil(Date.now() / MINUTE) * MINUTE;
  clock = new TestClock();
  // The schedules of this version are declared once.
  await clock.ring();
});

class TestClock {
  nextAt: number | null = null;
  ticks = 0;
  readonly #kv = new Map<string, unknown>();
  readonly #suspects = new Suspects();
  readonly #plan: "free" | undefined;

  constructor(plan?: "free") {
    this.#plan = plan;
  }

  /** Ticks at `now`; answers what it cost. */
  async ring(allowance: Allowance = {}): Promise<{ trips: number; statements: number }> {
    trips = statements = 0;
    this.ticks++;
    const kv = {
      get: (key: string) => this.#kv.get(key),
      put: (key: string, value: unknown) => void this.#kv.set(key, value),
    } as unknown as SyncKvStorage;
    const CLOCK = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
    const bindings: Env = { ...quietEnv(db), CLOCK, ...(this.#plan ? { PLAN: this.#plan } : {}) };
    this.nextAt = await tick(bindings, kv, now, this.#suspects, { stopwatch: () => 0, ...allowance });
    return { trips, statements };
  }

  /** Ticks whenever it is time, until then. */
  async ringUntil(at: number): Promise<void> {
    while (this.nextAt !== null && this.nextAt <= at) {
      now = Math.max(now, this.nextAt);
      await this.ring();
    }
    now = at;
  }
}

async function idleCosts() {
  const { trips: idle, statements: asked } = await clock.ring();
  now += 16 * SECOND;
  const withChores = await clock.ring();
  return { idle, asked, withChores };
}

describe("a tick", () => {
  it("with nothing due is one round trip, and two where chores are to be done", async () => {
    const { idle, asked, withChores } = await idleCosts();
    console.log(`an idle tick: ${idle} round trip, ${asked} statements; with chores`, withChores);
    expect(idle).toBe(1);
    expect(asked).toBeLessThanOrEqual(10);
    expect(withChores.trips).toBeLessThanOrEqual(2);
    expect(withChores.statements).toBeLessThanOrEqual(20);
  });

  it("that looks at attempts which go on is two round trips", async () => {
    const task = newTask(newTenant());
    await insertTasks(env.DB, [task]);
    await claimTasks(env.DB, [task.id], "w", now - 1_000);
    await env.DB.prepare("UPDATE tasks SET due_at = ?1").bind(now).run();
    const cost = await clock.ring();
    expect(cost.trips).toBe(2);
    expect(clock.nextAt).toBe(now - 1_000 + (await leaseOf(task.id)));
  });

  it("that starts, rings, expires, postpones and purges is a handful of round trips, however much it is", async () => {
    const tenant = newTenant();
    const of = (count: number, more: object) =>
      Array.from({ length: count }, () => ({ ...newTask(tenant), dueAt: now, runAt: now - 1, ...more }));
    const purged = of(100, { state: "succeeded" });
    await insertTasks(env.DB, [
      ...of(100, { state: "scheduled" }),
      ...of(100, { state: "queued" }),
      ...of(100, { state: "queued", expiresAt: now - 1 }),
      ...of(100, { state: "scheduled", runAt: now + MINUTE }),
      ...purged,
    ]);
    await env.DB.prepare("UPDATE tasks SET finished_at = ?1, retain_until = ?1 WHERE state = 'succeeded'")
      .bind(now - 1)
      .run();
    const cost = await clock.ring();
    console.log("a tick that starts, rings, expires, postpones and purges 100 tasks each:", cost);
    expect(cost.trips).toBeLessThanOrEqual(5);
    expect(cost.statements).toBeLessThanOrEqual(40);
    const { results } = await env.DB.prepare(
      "SELECT state, COUNT(*) AS count FROM tasks GROUP BY state ORDER BY state",
    ).all();
    expect(results).toEqual([
      { state: "expired", count: 100 },
      { state: "queued", count: 200 },
      { state: "scheduled", count: 100 },
    ]);
  });

  it("goes on with all else where an expiry always fails", async () => {
    const tenant = newTenant();
    const of = (count: number, more: object) =>
      Array.from({ length: count }, () => ({ ...newTask(tenant), dueAt: now, runAt: now - 1, ...more }));
    const expiring = of(20, { state: "queued", expiresAt: now - 1 });
    const [running] = of(1, {});
    await insertTasks(env.DB, [...expiring, ...of(3, { state: "scheduled" }), running!]);
    await claimTasks(env.DB, [running!.id], "w", now - 10 * MINUTE);
    await env.DB.prepare("UPDATE tasks SET due_at = ?1, lease_until = ?1 - 1 WHERE state = 'running'").bind(now).run();
    stuck = expiring[7]!.id;
    await clock.ring();
    expect(await countOf("tasks WHERE state = 'queued'")).toBe(23);
    await clock.ringUntil(now + 2 * MINUTE);
    expect(await countOf("tasks WHERE state = 'expired'")).toBe(19);
    expect(await countOf("tasks WHERE state = 'running'")).toBe(0);
    stuck = null;
    await clock.ringUntil(now + MINUTE);
    expect(await countOf("tasks WHERE state = 'expired'")).toBe(20);
  });

  it("stays within 50 statements on the free plan, and the next one goes on at once", async () => {
    clock = new TestClock("free");
    await clock.ring();
    const tenant = newTenant();
    const tasks = Array.from({ length: 35 }, () => ({
      ...newTask(tenant),
      state: "scheduled" as const,
      dueAt: now,
      runAt: now,
    }));
    await insertTasks(env.DB, tasks);
    await env.DB.batch(
      Array.from({ length: 30 }, (_, i) =>
        env.DB.prepare(
          "INSERT INTO idempotency (tenant, key, fingerprint, made, expires_at) VALUES ('t', ?1, 'f', '[]', 1)",
        ).bind(`key-${i}`),
      ),
    );
    const costs = [await clock.ring()];
    while (clock.nextAt === now) costs.push(await clock.ring());
    console.log("ticks of the free plan, statements each:", costs.map((cost) => cost.statements).join(" "));
    expect(Math.max(...costs.map((cost) => cost.statements))).toBeLessThanOrEqual(50);
    expect(await countOf("tasks WHERE state = 'queued'")).toBe(35);
  });

  it("begins no piece of work on the free plan that it has no statements for", async () => {
    await clock.ring();
    const tenant = newTenant();
    const old = now - 40 * 24 * 60 * MINUTE;
    const plain = Array.from({ length: 4 }, () => ({ ...newTask(tenant), state: "succeeded" as const, dueAt: null }));
    const members = Array.from({ length: 4 }, () => ({ ...plain[0]!, id: newTask(tenant).id, flowId: "flow_old" }));
    await insertTasks(env.DB, [...plain, ...members]);
    const due = { ...newTask(tenant), state: "scheduled" as const, dueAt: now, runAt: now };
    await insertTasks(env.DB, [due]);
    const ids = JSON.stringify(members.map((task) => task.id));
    await env.DB.batch([
      env.DB.prepare(
        "UPDATE tasks SET created_at = ?1, finished_at = ?1, retain_until = ?1 WHERE state = 'succeeded'",
      ).bind(old),
      env.DB.prepare(
        `INSERT INTO flows (id, tenant, state, created_at, finished_at, retain_until, ids, result)
         VALUES ('flow_old', 't', 'succeeded', ?1, ?1, ?1, jsonb(?2), '{}')`,
      ).bind(old, ids),
      env.DB.prepare("INSERT INTO rollups (span, at, tenant, counts) VALUES (1, ?1, 't', '{}')").bind(old),
      env.DB.prepare("INSERT INTO limits (key, max) VALUES ('unused', 1)"),
    ]);
    await Promise.all(Array.from({ length: 12 }, () => newWebhook(tenant)));
    clock = new TestClock("free");
    const costs = [await clock.ring()];
    while (clock.nextAt === now && costs.length < 10) costs.push(await clock.ring());
    console.log(
      "ticks of the free plan with all chores, statements each:",
      costs.map((cost) => cost.statements).join(" "),
    );
    // A tick that is cut short does its work again: there would be more of them.
    expect(costs.length).toBeLessThanOrEqual(4);
    expect(await countOf("tasks WHERE state = 'succeeded'")).toBe(0);
    expect(await countOf("flows")).toBe(0);
    await clock.ringUntil(now + 2 * MINUTE);
    expect(await countOf(`webhooks WHERE tenant = '${tenant}' AND secrets LIKE '%whsec_%'`)).toBe(0);
  });
});

describe("purges", () => {
  it(
    "of 220 tasks that end one after another take a few ticks, and none is late by a minute",
    { timeout: 60_000 },
    async () => {
      const tenant = newTenant();
      const from = now;
      const tasks = Array.from({ length: 220 }, () => ({ ...newTask(tenant, { retention: "20s" }), dueAt: null }));
      await insertTasks(env.DB, tasks);
      const first = clock.ticks;
      for (const [i, task] of tasks.entries()) {
        // Ten a second end.
        const endedAt = from + i * 100;
        await env.DB.prepare(
          `UPDATE tasks SET state = 'succeeded', finished_at = ?2, retain_until = ?2 + 20000,
           due_at = (CAST(?2 AS INTEGER) + 34999) / 15000 * 15000 WHERE id = ?1`,
        )
          .bind(task.id, endedAt)
          .run();
      }
      now = from + 22 * SECOND;
      await clock.ring();
      while ((await countOf("tasks")) > 0) {
        await clock.ringUntil(clock.nextAt!);
        expect(await countOf(`tasks WHERE retain_until < ${now - MINUTE}`)).toBe(0);
      }
      console.log(`220 purges took ${clock.ticks - first} ticks`);
      expect(clock.ticks - first).toBeLessThanOrEqual(8);
    },
  );
});

describe("at a thousand keyed tasks a second, kept for a minute", () => {
  const RATE = 1_000;
  /** Seconds that are put in at once, and how long it goes on. */
  const STEP = 5;
  const MINUTES = 3;
  const KEYS_KEPT_MS = 45 * SECOND;

  it("every table stays bounded", { timeout: 240_000 }, async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const begin = now;
    const largest = new Map<string, number>();
    const half = new Map<string, number>();
    for (let second = 0; second < MINUTES * 60; second += STEP) {
      now = begin + second * SECOND;
      await put(second);
      await clock.ring();
      await clock.ringUntil(now + STEP * SECOND);
      for (const table of TABLES) {
        const count = await countOf(table);
        largest.set(table, Math.max(largest.get(table) ?? 0, count));
        if (second < (MINUTES * 60) / 2) half.set(table, Math.max(half.get(table) ?? 0, count));
      }
    }
    console.log(`at most, of ${RATE * MINUTES * 60} tasks:`, Object.fromEntries(largest));
    // Kept for a minute, purged within another.
    expect(largest.get("tasks")).toBeLessThanOrEqual(RATE * 120);
    expect(largest.get("flows")).toBeLessThanOrEqual((RATE / 10) * 120);
    expect(largest.get("idempotency")).toBeLessThanOrEqual((RATE * (KEYS_KEPT_MS + 30 * SECOND)) / SECOND);
    expect(largest.get("windows")).toBeLessThanOrEqual((RATE * (KEYS_KEPT_MS + 30 * SECOND)) / SECOND);
    expect(largest.get("limits")).toBeLessThanOrEqual(RATE * 60);
    expect(largest.get("buckets")).toBeLessThanOrEqual(RATE * 60);
    expect(largest.get("rollups")).toBeLessThanOrEqual(200);
    for (const table of TABLES) expect(largest.get(table)).toBeLessThanOrEqual((half.get(table) ?? 0) * 1.2 + 10);
  });

  /** What as many submissions with a key, a limit, a rate and a window of their own leave behind once they have ended. */
  async function put(second: number): Promise<void> {
    const numbers = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${RATE * STEP - 1})`;
    const name = `printf('%06d', ${second}) || '-' || printf('%05d', i)`;
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO tasks (id, tenant, task, lane, state, max_attempts, created_at, run_at, started_at, finished_at,
           retention_ms, retain_until, due_at)
         ${numbers} SELECT 'task_' || ${name}, 't', 'test.noop', 'default', 'succeeded', 3, ?1, ?1, ?1, ?1, 60000,
           CAST(?1 AS INTEGER) + 60000, (CAST(?1 AS INTEGER) + 74999) / 15000 * 15000 FROM n`,
      ).bind(now),
      // Half of them are members of flows of five.
      env.DB.prepare(
        `UPDATE tasks SET flow_id = 'flow_' || substr(id, 6, 6) || '-' || (CAST(substr(id, 13) AS INTEGER) / 10)
         WHERE id LIKE 'task_' || printf('%06d', ${second}) || '-%' AND CAST(substr(id, 13) AS INTEGER) % 10 < 5`,
      ),
      env.DB.prepare(
        `INSERT INTO flows (id, tenant, state, created_at, finished_at, retain_until, ids, result)
         SELECT flow_id, 't', 'succeeded', ?1, ?1, MAX(retain_until), jsonb_group_array(id), '{}'
         FROM tasks WHERE flow_id LIKE 'flow_' || printf('%06d', ${second}) || '-%' GROUP BY flow_id`,
      ).bind(now),
      env.DB.prepare(
        `INSERT INTO idempotency (tenant, key, fingerprint, made, expires_at) ${numbers} SELECT 't', ${name}, 'f', '[]', ?1 FROM n`,
      ).bind(now + KEYS_KEPT_MS),
      env.DB.prepare(
        `INSERT INTO windows ${numbers} SELECT 't', 'cache', 'test.noop', ${name}, ${name}, ?1, ?2 FROM n`,
      ).bind(now, now + KEYS_KEPT_MS),
      env.DB.prepare(`INSERT INTO limits (key, max) ${numbers} SELECT ${name}, 1 FROM n`),
      // Full for an hour already, so that it need not go on for one.
      env.DB.prepare(
        `INSERT INTO buckets (key, tat, interval, tolerance) ${numbers} SELECT ${name}, ?1, 1, 1 FROM n`,
      ).bind(now - 3_600_000),
      env.DB.prepare(
        "INSERT INTO rollups (span, at, tenant, counts) VALUES (1, ?1, 't', ?2) ON CONFLICT DO NOTHING",
      ).bind(Math.floor(now / MINUTE) * MINUTE, JSON.stringify({ "test.noop default succeeded": RATE })),
    ]);
  }
});

async function countOf(rows: string): Promise<number> {
  return (await env.DB.prepare(`SELECT COUNT(*) AS count FROM ${rows}`).first<number>("count"))!;
}

async function leaseOf(id: string): Promise<number> {
  const sql = "SELECT lease_until - started_at AS lease FROM tasks WHERE id = ?1";
  return (await env.DB.prepare(sql).bind(id).first<number>("lease"))!;
}
