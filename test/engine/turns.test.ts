/** The queue of a rate as a worker keeps it: every task at its turn, in order, whatever else happens to the queue. */
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { TURN_GRACE_MS } from "../../src/core/bounds.ts";
import { rateOf, type Rate } from "../../src/core/share.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { holdLane } from "../../src/results/lanes/lanes.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { keepRateQueue } from "../../src/worker/rate-queue.ts";
import { claimAt, hearingEnv, insertLimited, limitedTask, newKey } from "./limited-tasks.ts";

const INTERVAL_MS = 20;

const newRate = (burst = 1): Rate => rateOf(newKey(), 50, 1_000, burst);

interface Start {
  task: ClaimedTask;
  at: number;
}

/** Keeps the queue of this rate until no task waits there; answers which were worked on, and when. */
async function keep({ key }: Rate, onStart: (start: Start) => Promise<void> = async () => {}): Promise<Start[]> {
  const starts: Start[] = [];
  const works: Promise<void>[] = [];
  const start = (task: ClaimedTask) => {
    starts.push({ task, at: Date.now() });
    works.push(onStart(starts.at(-1)!));
  };
  await keepRateQueue(hearingEnv().env, key, start, 1_000);
  await Promise.all(works);
  return starts.toSorted((a, b) => a.task.startedAt - b.task.startedAt);
}

const idsOf = (starts: Start[]) => starts.map((start) => start.task.id);

const gapsOf = (starts: Start[]) => starts.slice(1).map((start, i) => start.task.startedAt - starts[i]!.task.startedAt);

it("starts all in their order, an interval apart by the record", async () => {
  const rate = newRate();
  const ids = await insertLimited(41, { rates: [rate] });
  await claimAt(ids.slice(0, 1));
  const starts = await keep(rate);
  expect(idsOf(starts)).toEqual(ids.slice(1));
  expect(Math.min(...gapsOf(starts))).toBeGreaterThanOrEqual(INTERVAL_MS);
  const took = starts.at(-1)!.task.startedAt - starts[0]!.task.startedAt;
  const exact = gapsOf(starts).filter((gap) => gap === INTERVAL_MS).length;
  // Were each start late by what its claim takes, hardly any gap would be exact.
  expect(exact).toBeGreaterThan(10);
  console.log(`40 starts in ${took} ms, ideally ${39 * INTERVAL_MS}; ${exact} of 39 gaps are exact`);
});

it("makes one queue of what it starts and what bells claim meanwhile", async () => {
  const rate = newRate();
  const ids = await insertLimited(30, { rates: [rate] });
  const { claimed } = await claimAt(ids.slice(0, 1));
  const rung: ClaimedTask[] = [];
  const ring = async () => {
    rung.push(...(await claimAt(ids)).claimed);
  };
  const [starts, second] = await Promise.all([keep(rate, ring), keep(rate)]);
  const all = [...starts, ...second, ...[...claimed, ...rung].map((task) => ({ task, at: task.startedAt }))];
  const inOrder = all.toSorted((a, b) => a.task.startedAt - b.task.startedAt);
  expect(idsOf(inOrder).toSorted()).toEqual(ids);
  expect(Math.min(...gapsOf(inOrder))).toBeGreaterThanOrEqual(INTERVAL_MS);
});

it("passes over a task that is cancelled, whose lane is paused, or that lacks a slot", async () => {
  const rate = newRate();
  const rates = [rate];
  const concurrency = [{ key: newKey(), limit: 1 }];
  const [holder] = await insertLimited(1, { concurrency });
  await claimAt([holder!]);
  await holdLane(env.DB, "paused", { name: "bulk", reason: null, until: null }, Date.now());
  const [first, gone, ...rest] = await insertLimited(6, { rates });
  const held = [limitedTask({ rates, concurrency }), limitedTask({ rates }, { lane: "bulk" })];
  await insertTasks(env.DB, held);
  await claimAt([first!]);
  const starts = await keep(rate, async ({ task }) => {
    if (task.id === rest[0]) await cancelTasks(env.DB, [rest[3]!], null, Date.now());
    else await cancelTasks(env.DB, [gone!], null, Date.now());
  });
  expect(idsOf(starts)).toContain(rest[0]);
  const states = (
    await readTasks(
      env.DB,
      held.map((task) => task.id),
    )
  ).map((row) => row.state);
  expect(states).toEqual(["queued", "queued"]);
});

it("spends what a burst has saved up, and then goes on at the rate", async () => {
  const rate = newRate(5);
  const ids = await insertLimited(15, { rates: [rate] });
  await claimAt(ids.slice(0, 1), Date.now() - 60_000);
  const starts = await keep(rate);
  expect(idsOf(starts)).toEqual(ids.slice(1));
  const span = starts.at(-1)!.task.startedAt - starts[0]!.task.startedAt;
  expect(span).toBeGreaterThanOrEqual((starts.length - 5) * INTERVAL_MS);
});

it("leaves a line whose first does not start though the rate would let it", async () => {
  const rate = newRate();
  const [first] = await insertLimited(1, { rates: [rate] });
  await claimAt([first!]);
  const expired = limitedTask({ rates: [rate] }, { expiresAt: Date.now() - 1 });
  await insertTasks(env.DB, [expired]);
  expect(await keep(rate)).toEqual([]);
});

it("answers when a turn comes that is far away, and does not wait for it", async () => {
  const rate = rateOf(newKey(), 1, 60_000, 1);
  const ids = await insertLimited(2, { rates: [rate] });
  const now = Date.now();
  await claimAt(ids, now);
  const next = await keepRateQueue(hearingEnv().env, rate.key, () => expect.unreachable(), 1_000);
  expect(next).toBeGreaterThan(now + 59_000);
  expect(next).toBeLessThanOrEqual(now + 60_000);
});

it("starts no more than it may, and answers that it goes on at once", async () => {
  const rate = newRate();
  const ids = await insertLimited(6, { rates: [rate] });
  await claimAt(ids.slice(0, 1));
  const started: string[] = [];
  const next = await keepRateQueue(hearingEnv().env, rate.key, (task) => void started.push(task.id), 3);
  expect(started).toEqual(ids.slice(1, 4));
  expect(next).toBeLessThanOrEqual(Date.now());
});

it("leaves a waiter to the clock, which looks soon after its turn", async () => {
  const rate = newRate();
  const ids = await insertLimited(2, { rates: [rate] });
  const now = Date.now();
  await claimAt(ids, now);
  const [, waiting] = await readTasks(env.DB, ids);
  expect(waiting).toMatchObject({ state: "queued", dueAt: now + INTERVAL_MS + TURN_GRACE_MS });
});

it("runs the waiters of a rate in its object, none before its start", async () => {
  const rate = newRate();
  const [first, ...ids] = await insertLimited(20, { rates: [rate] });
  await claimAt([first!]);
  await env.RATES.getByName(rate.key).keep();
  const rows = await vi.waitUntil(
    async () => {
      const all = await readTasks(env.DB, ids);
      return all.every((row) => row.state === "succeeded") && all;
    },
    { timeout: 120_000, interval: 50 },
  );
  const starts = rows.map((row) => row.startedAt!).toSorted((a, b) => a - b);
  const gaps = starts.slice(1).map((at, i) => at - starts[i]!);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(INTERVAL_MS);
  // A timer may be a millisecond early.
  expect(rows.filter((row) => row.finishedAt! < row.startedAt! - 1)).toEqual([]);
});
