/** What an attempt writes and asks while it runs, in virtual time: a lease that grows, and few questions. */
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { leaseAt } from "../../src/core/lease.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import { beat, enter, firstRenewal, leave, type RunningAttempt } from "../../src/worker/running.ts";
import { databaseOver, executeOn } from "./database-over.ts";
import { claimOne, endOf, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

/** As often as a worker looks. */
const STEP_MS = 250;

interface Cost {
  rows: number;
  statements: number;
}

let now = 0;

/** Whether D1 answers. */
let isSilent = false;

const cost: Cost = { rows: 0, statements: 0 };

const db = databaseOver(async (statements) => {
  if (isSilent) throw new Error("D1_ERROR: Network connection lost.");
  const results = await executeOn(env.DB)(statements);
  cost.statements += statements.length;
  for (const { meta } of results) cost.rows += meta.rows_written;
  return results;
});

/** Starts an attempt as a worker knows it. */
async function started(tenant = "default") {
  // Time goes on over all tests, as it does for the isolate.
  now = Math.max(now, Date.now());
  vi.spyOn(Date, "now").mockImplementation(() => now);
  Object.assign(cost, { rows: 0, statements: 0 });
  const task = newTask(tenant);
  await insertTasks(db, [task]);
  const claimed = await claimOne(db, task.id);
  const attempt: RunningAttempt = {
    id: claimed.id,
    attempt: claimed.attempt,
    lane: claimed.lane,
    tenant: claimed.tenant,
    share: 1,
    claimedAt: claimed.startedAt,
    leaseMs: null,
    renewAt: firstRenewal(claimed.startedAt, null),
    order: null,
    isWatched: false,
    stopAt: null,
  };
  enter(attempt);
  return { claimed, attempt };
}

async function pass(ms: number, onStep: () => void = () => undefined): Promise<void> {
  for (const until = now + ms; now < until; onStep()) {
    now += STEP_MS;
    await beat(quietEnv(db)).catch(() => undefined);
  }
}

async function leaseOf(id: string): Promise<{ leaseUntil: number; dueAt: number }> {
  const row = await env.DB.prepare("SELECT lease_until AS leaseUntil, due_at AS dueAt FROM tasks WHERE id = ?1")
    .bind(id)
    .first<{ leaseUntil: number; dueAt: number }>();
  return row!;
}

afterEach(() => {
  isSilent = false;
  vi.restoreAllMocks();
});

it.each([
  { minutes: 1, rows: 10, statements: 60 },
  { minutes: 10, rows: 30, statements: 250 },
  { minutes: 14, rows: 40, statements: 250 },
])("of $minutes min writes at most $rows rows with at most $statements statements", async (most) => {
  const { claimed, attempt } = await started();
  await pass(most.minutes * 60_000);
  leave(attempt);
  await commitAttempts(db, [endOf(claimed)]);
  console.log(`an attempt of ${most.minutes} min: ${cost.rows} rows, ${cost.statements} statements`);
  expect(cost.rows).toBeLessThanOrEqual(most.rows);
  expect(cost.statements).toBeLessThanOrEqual(most.statements);
});

it("never lets its lease run out, and holds it no longer than a crash may take to be rescued", async () => {
  const { claimed, attempt } = await started();
  const began = now;
  const steps: { age: number; left: number }[] = [];
  for (let i = 0; i < 14 * 60; i++) {
    await pass(1_000);
    const { leaseUntil, dueAt } = await leaseOf(claimed.id);
    expect(Math.abs(dueAt - leaseUntil)).toBeLessThanOrEqual(500);
    steps.push({ age: now - began, left: leaseUntil - now });
  }
  leave(attempt);
  expect(Math.min(...steps.map((step) => step.left))).toBeGreaterThan(0);
  // The clock looks twice, 2.5 s apart.
  const young = steps.filter((step) => step.age <= 60_000);
  expect(Math.max(...young.map((step) => step.left))).toBeLessThanOrEqual(17_500);
  expect(Math.max(...steps.map((step) => step.left))).toBeLessThanOrEqual(57_500);
  expect(leaseAt(0, null)).toBe(17_000);
});

it.each([
  { age: 5_000, within: 2_000 },
  { age: 50_000, within: 2_000 },
  { age: 90_000, within: 5_000 },
  { age: 800_000, within: 5_000 },
])("that is $age ms old hears of its cancel within $within ms", async ({ age, within }) => {
  const { claimed, attempt } = await started(newTenant());
  await pass(age);
  await cancelTasks(env.DB, [claimed.id], null, now);
  const cancelledAt = now;
  let heardAt = 0;
  await pass(10_000, () => {
    if (attempt.order === "cancelled") heardAt ||= now;
  });
  leave(attempt);
  expect(heardAt - cancelledAt).toBeLessThanOrEqual(within);
  expect(heardAt).toBeGreaterThan(0);
});

it("renews its lease within 2 s once a silent D1 answers again", async () => {
  const { claimed, attempt } = await started();
  await pass(10_000);
  isSilent = true;
  await pass(60_000);
  expect((await leaseOf(claimed.id)).leaseUntil).toBeLessThan(now);
  isSilent = false;
  await pass(2_000);
  leave(attempt);
  expect((await leaseOf(claimed.id)).leaseUntil).toBeGreaterThan(now);
});
