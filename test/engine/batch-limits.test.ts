/** Limits of batches count items: whole batches start where the limit has room for them, and no task that is held back holds back others. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { rateOf } from "../../src/core/share.ts";
import { claimGathered } from "../../src/results/claim-batches.ts";
import type { Claim } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { limitedTask, newKey, type Limits } from "./limited-tasks.ts";
import { endOf, newTenant } from "./webhook-tasks.ts";

const SIZE = 10;
const WAIT_MS = 1_000;
const BATCH = JSON.stringify({ size: SIZE, wait: WAIT_MS });

const now = Date.now();

/** Items of one tenant that were stored at `now`; answers their ids. */
async function insertItems(count: number, limits: Limits, tenant = newTenant()): Promise<string[]> {
  const own = { tenant, batch: BATCH, createdAt: now, runAt: now, dueAt: now + WAIT_MS };
  const tasks = Array.from({ length: count }, () => limitedTask(limits, own));
  await insertTasks(env.DB, tasks);
  return tasks.map((task) => task.id);
}

const claimAt = (ids: string[], at: number) => claimGathered(env.DB, ids, SIZE, 24, crypto.randomUUID(), at);

const end = ({ claimed }: Claim) =>
  commitAttempts(
    env.DB,
    claimed.map((task) => endOf(task)),
  );

it("a concurrency limit lets as many whole batches start as it has places for", async () => {
  const ids = await insertItems(25, { concurrency: [{ key: newKey(), limit: 12 }] });
  const first = await claimAt(ids, now);
  expect(first.claimed).toHaveLength(SIZE);
  expect((await claimAt(ids, now)).claimed).toHaveLength(0);
  // Tasks that have waited long enough take what is free.
  expect((await claimAt(ids, now + WAIT_MS)).claimed).toHaveLength(2);
  await end(first);
  expect((await claimAt(ids, now + WAIT_MS)).claimed).toHaveLength(SIZE);
});

it("an item that a key holds back does not hold back the others of the batch", async () => {
  const tenant = newTenant();
  const key = { key: newKey(), limit: 1 };
  const held = await insertItems(15, { concurrency: [key] }, tenant);
  const free = await insertItems(9, {}, tenant);
  const { claimed } = await claimAt([...held, ...free], now);
  const of = (ids: string[]) => claimed.filter((task) => ids.includes(task.id)).length;
  expect([of(held), of(free)]).toEqual([1, 9]);
});

it("a rate counts items, and the next batch starts when there are tokens for it", async () => {
  const ids = await insertItems(20, { rates: [rateOf(newKey(), 10, 1_000, SIZE)] });
  expect((await claimAt(ids, now)).claimed).toHaveLength(SIZE);
  expect((await claimAt(ids, now + 500)).claimed).toHaveLength(0);
  expect((await claimAt(ids, now + 1_000)).claimed).toHaveLength(SIZE);
});

it("a rate that drops what is over it leaves tasks alone that only gather", async () => {
  const ids = await insertItems(15, { rates: [{ ...rateOf(newKey(), 1, 60_000, SIZE), drop: true }] });
  const early = await claimAt(ids, now);
  expect([early.claimed.length, early.impatient.length]).toEqual([SIZE, 0]);
  const late = await claimAt(ids, now + WAIT_MS);
  expect([late.claimed.length, late.impatient.length]).toEqual([0, 5]);
});
