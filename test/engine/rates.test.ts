/** Rate limits: exact over all claims, in one order, whatever else holds the tasks back. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TURN_GRACE_MS } from "../../src/core/bounds.ts";
import { rateOf } from "../../src/core/share.ts";
import { forgetBuckets, holdBack } from "../../src/results/limits/buckets.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { dropOverRate } from "../../src/results/drop-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { claimAt, insertLimited, limitedTask, newKey, type Limits } from "./limited-tasks.ts";
import { endOf } from "./webhook-tasks.ts";
import { runs } from "../setup/runs.ts";

const TEN_A_SECOND = 100;

interface Start {
  id: string;
  at: number;
}

/**
 * Claims in virtual time the tasks whose turn it is, in bells of a hundred, until none waits.
 * `onStart` says what becomes of the tasks that start; answers the starts in their order.
 */
async function runVirtually(
  ids: string[],
  begin: number,
  onStart: (started: Awaited<ReturnType<typeof claimAt>>["claimed"], now: number) => Promise<void> = async () => {},
): Promise<{ starts: Start[]; claims: number }> {
  const starts: Start[] = [];
  let claims = 0;
  let now = begin;
  let due = ids;
  for (;;) {
    for (let i = 0; i < due.length; i += 100) {
      const { claimed } = await claimAt(due.slice(i, i + 100), now);
      claims++;
      starts.push(...claimed.map((task) => ({ id: task.id, at: now })));
      await onStart(claimed, now);
    }
    const next = await env.DB.prepare(
      "SELECT MIN(due_at) - ?2 AS at FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued'",
    )
      .bind(JSON.stringify(ids), TURN_GRACE_MS)
      .first<number | null>("at");
    if (next === null) return { starts, claims };
    now = Math.max(now, next);
    const { results } = await env.DB.prepare(
      "SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued' AND due_at <= ?2 ORDER BY id",
    )
      .bind(JSON.stringify(ids), now + TURN_GRACE_MS)
      .all<{ id: string }>();
    due = results.map((row) => row.id);
  }
}

function gaps(starts: Start[]): number[] {
  const times = starts.map((start) => start.at).toSorted((a, b) => a - b);
  return times.slice(1).map((at, i) => at - times[i]!);
}

describe("a rate of ten a second, burst 1", () => {
  it("starts fifty tasks of several submitters 100 ms apart, in the order of their submission", async () => {
    const rates = [rateOf(newKey(), 10, 1_000, 1)];
    const ids = (await Promise.all(Array.from({ length: 5 }, () => insertLimited(10, { rates })))).flat().toSorted();
    const begin = Date.now();
    const { starts, claims } = await runVirtually(ids, begin);
    expect(starts.map((start) => start.id)).toEqual(ids);
    expect(gaps(starts)).toEqual(Array.from({ length: 49 }, () => TEN_A_SECOND));
    console.log(`50 rated tasks: ${claims} claims, gaps of ${Math.min(...gaps(starts))} ms`);
  });

  it("lets one start where fifty claim at once, each on its own", async () => {
    const ids = await insertLimited(50, { rates: [rateOf(newKey(), 10, 1_000, 1)] });
    const now = Date.now();
    const claims = await Promise.all(ids.toReversed().map((id) => claimAt([id], now)));
    expect(claims.flatMap((claim) => claim.claimed)).toHaveLength(1);
  });

  it("says when the next one may start, and none starts sooner", async () => {
    const ids = await insertLimited(3, { rates: [rateOf(newKey(), 10, 1_000, 1)] });
    const now = Date.now();
    expect((await claimAt(ids, now)).nextTurn).toBe(now + TEN_A_SECOND + TURN_GRACE_MS);
    expect((await claimAt(ids, now + TEN_A_SECOND - 1)).claimed).toEqual([]);
    expect((await claimAt(ids, now + TEN_A_SECOND)).claimed).toHaveLength(1);
  });

  it("holds for the later attempts of a task too", async () => {
    const ids = await insertLimited(1, { rates: [rateOf(newKey(), 10, 1_000, 1)] });
    const now = Date.now();
    const { claimed } = await claimAt(ids, now);
    await commitAttempts(env.DB, [endOf(claimed[0]!, { outcome: "crashed" })]);
    expect((await claimAt(ids, now + 50)).claimed).toEqual([]);
    expect((await claimAt(ids, now + 100)).claimed).toHaveLength(1);
  });
});

describe("a bucket", () => {
  it("gives a burst after a pause, and no more than that", async () => {
    const ids = await insertLimited(12, { rates: [rateOf(newKey(), 10, 1_000, 4)] });
    const now = Date.now();
    expect((await claimAt(ids, now)).claimed).toHaveLength(4);
    expect((await claimAt(ids, now + 250)).claimed).toHaveLength(2);
    expect((await claimAt(ids, now + 100_000)).claimed).toHaveLength(4);
  });

  it("never gives more than limit and burst allow, in any span of any run of claims", async () => {
    const run = fc.record({
      limit: fc.integer({ min: 1, max: 20 }),
      burst: fc.integer({ min: 1, max: 5 }),
      claims: fc.array(
        fc.record({ pauseMs: fc.nat({ max: 700 }), from: fc.nat({ max: 19 }), count: fc.integer({ min: 1, max: 10 }) }),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
    });
    await fc.assert(
      fc.asyncProperty(run, async ({ limit, burst, claims }) => {
        const ids = await insertLimited(20, { rates: [rateOf(newKey(), limit, 1_000, burst)] });
        const starts: number[] = [];
        let now = Date.now();
        for (const { pauseMs, from, count } of claims) {
          now += pauseMs;
          const { claimed } = await claimAt(ids.slice(from, from + count), now);
          starts.push(...claimed.map(() => now));
        }
        for (const [i, first] of starts.entries()) {
          for (const [j, last] of starts.entries()) {
            if (j < i) continue;
            const allowed = burst + ((last - first) * limit) / 1_000;
            expect(j - i + 1).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      }),
      { numRuns: runs(15, 40) },
    );
  });

  it("takes the rate that was submitted last at once", async () => {
    const key = newKey();
    const ids = await insertLimited(3, { rates: [rateOf(key, 1, 60_000, 1)] });
    const now = Date.now();
    expect((await claimAt(ids, now)).claimed).toHaveLength(1);
    await insertTasks(env.DB, [limitedTask({ rates: [rateOf(key, 1, 60_000, 3)] })]);
    expect((await claimAt(ids, now + 1)).claimed).toHaveLength(2);
  });

  it("is forgotten when it has long been full, and is then as full as before", async () => {
    const key = newKey();
    const ids = await insertLimited(3, { rates: [rateOf(key, 10, 1_000, 1)] });
    const now = Date.now();
    const buckets = () =>
      env.DB.prepare("SELECT COUNT(*) AS n FROM buckets WHERE key = ?1").bind(key).first<number>("n");
    await claimAt(ids, now);
    await forgetBuckets(env.DB, now + 60_000, "", 1_000).run();
    expect(await buckets()).toBe(1);
    await forgetBuckets(env.DB, now + 4_000_000, "", 1_000).run();
    expect(await buckets()).toBe(0);
    expect((await claimAt(ids, now + 4_000_000)).claimed).toHaveLength(1);
  });
});

describe("an upstream's wish to be left alone", () => {
  const HELD_MS = 30_000;

  it("holds the whole key back, then goes on without a burst", async () => {
    const key = newKey();
    const ids = await insertLimited(6, { rates: [rateOf(key, 10, 1_000, 3)] });
    const [other] = await insertLimited(1, { rates: [rateOf(newKey(), 10, 1_000, 3)] });
    const now = Date.now();
    const [first] = (await claimAt([ids[0]!], now)).claimed;
    await holdBack(env.DB, first!.id, first!.attempt, now + HELD_MS);
    const held = await claimAt(ids, now + HELD_MS - 1);
    expect(held).toMatchObject({ claimed: [], nextTurn: now + HELD_MS + TURN_GRACE_MS, impatient: [] });
    expect((await claimAt([other!], now)).claimed).toHaveLength(1);
    expect((await claimAt(ids, now + HELD_MS)).claimed).toHaveLength(1);
    expect((await claimAt(ids, now + HELD_MS + 99)).claimed).toHaveLength(0);
    expect((await claimAt(ids, now + HELD_MS + 100)).claimed).toHaveLength(1);
  });

  it("is never shortened by a later one, nor made by an attempt that has lost its task", async () => {
    const ids = await insertLimited(2, { rates: [rateOf(newKey(), 10, 1_000, 1)] });
    const now = Date.now();
    const [first] = (await claimAt(ids, now)).claimed;
    await holdBack(env.DB, first!.id, first!.attempt, now + HELD_MS);
    await holdBack(env.DB, first!.id, first!.attempt, now + 1_000);
    await holdBack(env.DB, first!.id, first!.attempt - 1, now + 2 * HELD_MS);
    await commitAttempts(env.DB, [endOf(first!)]);
    await holdBack(env.DB, first!.id, first!.attempt, now + 2 * HELD_MS);
    expect((await claimAt(ids, now + HELD_MS - 1)).claimed).toEqual([]);
    expect((await claimAt(ids, now + HELD_MS)).claimed).toHaveLength(1);
  });
});

describe("a rate that drops", () => {
  const drops = (burst = 1) => [{ ...rateOf(newKey(), 10, 1_000, burst), drop: true as const }];

  it("ends what is over it as cancelled, and says why", async () => {
    const ids = await insertLimited(5, { rates: drops(2) });
    const now = Date.now();
    const { claimed, impatient } = await claimAt(ids, now);
    expect(claimed.map((task) => task.id).toSorted()).toEqual(ids.slice(0, 2));
    expect(impatient.toSorted()).toEqual(ids.slice(2));
    const { moved } = await dropOverRate(env.DB, impatient, now);
    expect(moved?.map((task) => task.id).toSorted()).toEqual(ids.slice(2));
    const [row] = await readTasks(env.DB, [ids[4]!]);
    expect(row).toMatchObject({ state: "cancelled", finishedAt: now, attempt: 0 });
    expect(JSON.parse(row!.error!)).toEqual({
      type: "cancelled",
      message: "cancelled: over the rate limit of its task, which drops tasks and queues none",
    });
  });

  it("drops nothing that another claim has taken meanwhile, or that is no longer over it", async () => {
    const ids = await insertLimited(3, { rates: drops() });
    const now = Date.now();
    const { impatient } = await claimAt(ids, now);
    expect(impatient.toSorted()).toEqual(ids.slice(1));
    expect((await claimAt([ids[1]!], now + 100)).claimed).toHaveLength(1);
    expect((await dropOverRate(env.DB, impatient, now + 200)).moved).toEqual([]);
    const states = (await readTasks(env.DB, ids)).map((row) => row.state).toSorted();
    expect(states).toEqual(["queued", "running", "running"]);
  });

  it("lets what has started before wait for its turn", async () => {
    const ids = await insertLimited(1, { rates: drops() });
    const now = Date.now();
    const { claimed } = await claimAt(ids, now);
    await commitAttempts(env.DB, [endOf(claimed[0]!, { outcome: "crashed" })]);
    expect(await claimAt(ids, now + 1)).toMatchObject({
      claimed: [],
      impatient: [],
      nextTurn: now + 100 + TURN_GRACE_MS,
    });
  });
});

describe("a rate beside other limits", () => {
  const both = (places: number): Limits => ({
    rates: [rateOf(newKey(), 10, 1_000, 1)],
    concurrency: [{ key: newKey(), limit: places }],
  });

  it("holds together with concurrency: never more than two at once, never closer than 100 ms", async () => {
    const ids = await insertLimited(20, both(2));
    let held: { task: Parameters<typeof endOf>[0]; until: number }[] = [];
    let most = 0;
    const begin = Date.now();
    const starts: Start[] = [];
    // A bell for all tasks at every 10 ms: as wrong as bells can ring.
    for (let now = begin; starts.length < ids.length && now < begin + 60_000; now += 10) {
      const over = held.filter((each) => each.until <= now);
      held = held.filter((each) => each.until > now);
      if (over.length > 0)
        await commitAttempts(
          env.DB,
          over.map((each) => endOf(each.task)),
        );
      const { claimed } = await claimAt(ids, now);
      starts.push(...claimed.map((task) => ({ id: task.id, at: now })));
      held.push(...claimed.map((task) => ({ task, until: now + 330 })));
      most = Math.max(most, held.length);
    }
    expect(starts.map((start) => start.id)).toEqual(ids);
    expect(most).toBe(2);
    expect(Math.min(...gaps(starts))).toBeGreaterThanOrEqual(TEN_A_SECOND);
  });

  it("gives no turn to tasks that lack a slot, so they neither wake the clock nor delay others", async () => {
    const rates = [rateOf(newKey(), 10, 1_000, 1)];
    const busy = [{ key: newKey(), limit: 1 }];
    const held = await insertLimited(20, { rates, concurrency: busy });
    const now = Date.now();
    expect((await claimAt(held, now)).claimed).toHaveLength(1);
    const [free] = await insertLimited(1, { rates });
    const { nextTurn, claimed } = await claimAt([...held, free!], now + 10);
    expect(claimed).toEqual([]);
    expect(nextTurn).toBe(now + TEN_A_SECOND + TURN_GRACE_MS);
    // A claim that gives no task a turn names none in the past, or the clock would ring for ever.
    const later = await claimAt(held, now + 200);
    expect(later.claimed).toEqual([]);
    expect(later.nextTurn).toBeGreaterThan(now + 200);
  });
});
