/** Limits that change while tasks are claimed and end: what holds is never exceeded, and what is free is used at once. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keepWaiters } from "../../src/clock/waiters.ts";
import { parseLimitId, storedKey } from "../../src/core/limit-name.ts";
import { TURN_GRACE_MS } from "../../src/core/bounds.ts";
import { rateOf } from "../../src/core/share.ts";
import { changeSlots, changeRate, findLimit, listLimits, restoreLimit } from "../../src/engine/limits/limits.ts";
import { forgetBuckets, holdBack } from "../../src/results/limits/buckets.ts";
import { changeLimits } from "../../src/results/limits/change.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { forgetLimits } from "../../src/results/limits/slots.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { claimAt, claimIds, disagreements, hearingEnv, insertLimited, limitedTask } from "./limited-tasks.ts";
import { endOf } from "./webhook-tasks.ts";
import { runs } from "../setup/runs.ts";

const READER = { tenant: "t", isOperator: true };

let keys = 0;

/** A key that no other test uses: as it is stored, and its limit's name. */
function places() {
  const own = `limits-${++keys}`;
  return { key: `tenant:t:${own}`, name: parseLimitId(`concurrency::${own}`)! };
}

/** A rate of a task that the deployment has, with a key that no other test uses. */
function rate() {
  const own = `limits-${++keys}`;
  return { key: `task:test.rated@t:${own}`, name: parseLimitId(`rate:test.rated:${own}`)! };
}

const end = (tasks: Parameters<typeof endOf>[0][]) =>
  commitAttempts(
    env.DB,
    tasks.map((task) => endOf(task)),
  );

async function dueOf(ids: string[]): Promise<number[]> {
  const { results } = await env.DB.prepare(
    "SELECT due_at AS at FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id",
  )
    .bind(JSON.stringify(ids))
    .all<{ at: number }>();
  return results.map((row) => row.at);
}

describe("a concurrency limit", () => {
  const limit = fc.integer({ min: 1, max: 6 });
  const step = fc.oneof(
    fc.record({ do: fc.constant("submit" as const), limit, count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ do: fc.constant("change" as const), limit }),
    fc.record({ do: fc.constant("restore" as const) }),
    fc.record({ do: fc.constant("end" as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ do: fc.constant("forget" as const) }),
  );

  it("holds exactly through any changes: waiting tasks fill it in their order, and none starts beyond it", async () => {
    let changes = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), async (program) => {
        const { key, name } = places();
        const { env: bindings, rung } = hearingEnv();
        let asked: number | null = null;
        let override: number | null = null;
        let line: string[] = [];
        let running: Awaited<ReturnType<typeof claimAt>>["claimed"] = [];
        for (const each of program) {
          if (each.do === "submit") {
            line.push(...(await insertLimited(each.count, { concurrency: [{ key, limit: each.limit }] })));
            asked = each.limit;
          } else if (each.do === "change") {
            await changeSlots(bindings, READER, name, each.limit, Date.now());
            override = each.limit;
            changes++;
          } else if (each.do === "restore") {
            await restoreLimit(bindings, READER, name, Date.now());
            override = null;
          } else if (each.do === "end") {
            await end(running.splice(0, each.count));
          } else {
            await forgetLimits(env.DB, "", 1_000).run();
            // What the API has changed is kept, and with it what was asked for.
            if (line.length + running.length === 0 && override === null) asked = null;
          }
          const holds = override ?? asked;
          const room = Math.max(0, (holds ?? 0) - running.length);
          const bells = rung();
          const released = each.do === "change" ? line.slice(0, room) : [];
          expect(bells).toEqual(expect.arrayContaining(released));
          const { claimed } = await claimAt(line.toReversed());
          expect(claimed.map((task) => task.id).toSorted()).toEqual(line.slice(0, room));
          line = line.slice(claimed.length);
          running = [...running, ...claimed];
          const shown = await findLimit(env, READER, name, Date.now());
          expect(
            shown && { limit: shown.limit, used: shown.used, waiting: shown.waiting, source: shown.source },
          ).toEqual(
            holds && {
              limit: holds,
              used: running.length,
              waiting: line.length,
              source: override === null ? "submission" : "api",
            },
          );
        }
        expect(await disagreements()).toEqual([]);
      }),
      { numRuns: runs(12, 40) },
    );
    console.log(`a limit held exactly through ${changes} changes in 40 programs`);
  });

  it("that was raised by an isolate that died before it sent messages is found by the clock", async () => {
    const { key, name } = places();
    const ids = await insertLimited(3, { concurrency: [{ key, limit: 1 }] });
    await claimAt(ids);
    const { env: bindings, rung } = hearingEnv();
    const dead = { ...bindings, LANE_DEFAULT: { sendBatch: async () => Promise.reject(new Error("died")) } as never };
    await changeSlots(dead, READER, name, 3, Date.now()).catch(() => {});
    expect(rung()).toEqual([]);
    await keepWaiters(bindings, Date.now() + 60_000, true, 200);
    expect(rung()).toEqual(expect.arrayContaining(ids.slice(1)));
    expect(await claimIds(ids)).toEqual(ids.slice(1));
  });

  it("that the API changed outlives its key's use and a deployment, which asks for another meanwhile", async () => {
    const key = "task:test.keyed@t:limits";
    const name = parseLimitId("concurrency:test.keyed:limits")!;
    const { env: bindings } = hearingEnv();
    const limits = (max: number) => [
      { from: "task:test.keyed@", before: "task:test.keyedA", max, interval: null, tolerance: null },
    ];
    const shown = async () => findLimit(env, READER, name, Date.now());
    expect(await shown()).toMatchObject({ limit: 2, source: "code", used: 0 });
    await changeSlots(bindings, READER, name, 4, Date.now());
    await forgetLimits(env.DB, "", 1_000).run();
    expect(await shown()).toMatchObject({ limit: 4, source: "api" });
    await insertLimited(1, { concurrency: [{ key, limit: 1 }] });
    await changeLimits(env.DB, limits(3), Date.now());
    expect(await shown()).toMatchObject({ limit: 4, source: "api", waiting: 1 });
    await restoreLimit(bindings, READER, name, Date.now());
    expect(await shown()).toMatchObject({ limit: 3, source: "code", waiting: 1 });
  });
});

describe("a rate", () => {
  const words = fc.record({
    limit: fc.integer({ min: 1, max: 20 }),
    per: fc.constantFrom(1_000, 10_000, 60_000),
    burst: fc.integer({ min: 1, max: 5 }),
  });
  const step = fc.record({
    pauseMs: fc.nat({ max: 3_000 }),
    from: fc.nat({ max: 29 }),
    count: fc.integer({ min: 1, max: 10 }),
    change: fc.option(words, { freq: 2 }),
  });

  const begun = new Set<string>();

  it("holds exactly through any changes: never more starts than it allows since it was changed, and none waits longer", async () => {
    let changes = 0;
    await fc.assert(
      fc.asyncProperty(words, fc.array(step, { minLength: 2, maxLength: 14 }), async (first, program) => {
        const { key, name } = rate();
        const { env: bindings } = hearingEnv();
        const ids = await insertLimited(30, { rates: [rateOf(key, first.limit, first.per, first.burst)] });
        let holds = first;
        let starts: number[] = [];
        // How much later the next one starts than the new rate can make it wait; times are whole ms.
        const late: number[] = [];
        let now = Date.now();
        for (const { pauseMs, from, count, change } of program) {
          now += pauseMs;
          if (change) {
            await changeRate(bindings, READER, name, change, now);
            holds = change;
            starts = [];
            changes++;
            const waiting = await dueOf(ids.filter((id) => !begun.has(id)));
            if (waiting.length > 0) late.push(Math.min(...waiting) - now - change.per / change.limit);
          }
          const { claimed } = await claimAt(ids.slice(from, from + count), now);
          for (const task of claimed) begun.add(task.id);
          starts.push(...claimed.map(() => now));
          for (const [i, at] of starts.entries()) {
            const allowed = holds.burst + ((now - at) * holds.limit) / holds.per;
            expect(starts.length - i).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
        expect(Math.max(0, ...late)).toBeLessThanOrEqual(1);
      }),
      { numRuns: runs(12, 40) },
    );
    console.log(`a rate held exactly through ${changes} changes in 40 runs`);
  });

  it("that is raised gives every waiting task a new turn at once, in their order, and one that is lowered too", async () => {
    const { key, name } = rate();
    const { env: bindings } = hearingEnv();
    const ids = await insertLimited(6, { rates: [rateOf(key, 1, 60_000, 1)] });
    const now = Date.now();
    expect((await claimAt(ids, now)).claimed).toHaveLength(1);
    const waiting = ids.slice(1);
    expect(await dueOf(waiting)).toEqual(waiting.map((_, i) => now + (i + 1) * 60_000 + TURN_GRACE_MS));
    await changeRate(bindings, READER, name, { limit: 10, per: 1_000, burst: 1 }, now + 1);
    expect(await dueOf(waiting)).toEqual(waiting.map((_, i) => now + 101 + i * 100));
    await changeRate(bindings, READER, name, { limit: 1, per: 1_000, burst: 1 }, now + 2);
    expect(await dueOf(waiting)).toEqual(waiting.map((_, i) => now + 101 + i * 1_000));
    expect(await findLimit(env, READER, name, now + 2)).toMatchObject({
      limit: 1,
      per: 1_000,
      burst: 1,
      tokens: 0,
      waiting: 5,
      heldUntil: null,
      source: "api",
    });
    expect(await findLimit(env, READER, name, now + 101)).toMatchObject({ tokens: 1 });
  });

  it("that a deployment raises does so too", async () => {
    const { key } = rate();
    const ids = await insertLimited(3, { rates: [rateOf(key, 1, 60_000, 1)] });
    const now = Date.now();
    await claimAt(ids, now);
    const declared = [{ from: "task:test.rated@", before: "task:test.ratedA", max: null, interval: 100, tolerance: 0 }];
    expect(await changeLimits(env.DB, declared, now + 1)).toBe(true);
    expect(await dueOf(ids.slice(1))).toEqual([now + 101, now + 201]);
    expect(await changeLimits(env.DB, declared, now + 2)).toBe(false);
  });

  it("that an upstream holds back says until when, and no change lets a task start before, or a burst after", async () => {
    const { key, name } = rate();
    const { env: bindings } = hearingEnv();
    const ids = await insertLimited(6, { rates: [rateOf(key, 10, 1_000, 1)] });
    const now = Date.now();
    const [upset] = (await claimAt(ids, now)).claimed;
    const until = now + 30_000;
    await holdBack(env.DB, upset!.id, upset!.attempt, until);
    const heldUntil = new Date(until).toISOString();
    expect(await findLimit(env, READER, name, now)).toMatchObject({ heldUntil, tokens: 0, source: "code" });
    for (const burst of [1, 4, 2]) {
      await changeRate(bindings, READER, name, { limit: 100, per: 1_000, burst }, now + 10);
      expect(await findLimit(env, READER, name, now + 10)).toMatchObject({ heldUntil, tokens: 0, burst });
      expect((await claimAt(ids, until - 1)).claimed).toEqual([]);
    }
    expect(await findLimit(env, READER, name, until)).toMatchObject({ heldUntil: null, tokens: 1 });
    expect((await claimAt(ids, until)).claimed).toHaveLength(1);
  });

  it("that the API changed outlives its full bucket, and the code's own comes back with its words", async () => {
    const name = parseLimitId("rate:test.dropped")!;
    const { env: bindings } = hearingEnv();
    const now = Date.now();
    const code = { limit: 10, per: 1_000, burst: 2, tokens: 2, source: "code" };
    expect(await findLimit(env, READER, name, now)).toMatchObject(code);
    await changeRate(bindings, READER, name, { limit: 3, per: 60_000, burst: 3 }, now);
    await forgetBuckets(env.DB, now + 1e9, "", 1_000).run();
    const row = limitedTask({ rates: [rateOf("task:test.dropped@t:", 10, 1_000, 2)] });
    await insertTasks(env.DB, [row]);
    expect(await findLimit(env, READER, name, now)).toMatchObject({ limit: 3, per: 60_000, burst: 3, source: "api" });
    await restoreLimit(bindings, READER, name, now);
    expect(await findLimit(env, READER, name, now)).toMatchObject(code);
    expect((await readTasks(env.DB, [row.id]))[0]?.state).toBe("queued");
  });
});

describe("a reader", () => {
  it("is seen by a tenant's key for whole tasks and the keys of its own tenant, page by page", async () => {
    const tenant = "limits-reader";
    const own = ["b/ü?#%", "a:b", "..", "%2F"].map((key) => `tenant:${tenant}:${key}`);
    const definitions = ["task:test.keyed@another:secret", "task:test.keyed:shared"];
    for (const key of [...own, "tenant:limits-readers:x", "tenant:limits-reade:x", ...definitions]) {
      await insertLimited(1, { concurrency: [{ key, limit: 1 }] });
    }
    const names = async (isOperator: boolean, filter = {}) => {
      const found: string[] = [];
      let place: Parameters<typeof listLimits>[3] = null;
      for (;;) {
        const [next] = await listLimits(env, { tenant, isOperator }, filter, place, 1, Date.now());
        if (next === undefined) return found;
        found.push(next.id);
        place = { kind: next.kind, stored: storedKey(next) };
        // A page that begins before the last one's end would go on for ever.
        expect(found.length).toBeLessThan(1_000);
      }
    };
    const mine = ["%2F", "..", "a:b", "b/ü?#%"].map((key) => `concurrency::${key}`);
    const seen = await names(false);
    expect(seen.filter((id) => !id.startsWith("rate:"))).toEqual(mine);
    expect(seen.filter((id) => id.startsWith("rate:"))).toEqual(["rate:test.dropped", "rate:test.rated"]);
    const all = await names(true);
    expect(all).toEqual(
      expect.arrayContaining([...seen, "concurrency:test.keyed@another:secret", "concurrency:test.keyed@:shared"]),
    );
    expect(all.filter((id) => id.startsWith("concurrency::"))).toEqual(mine);
    expect(new Set(all).size).toBe(all.length);
    const dropped = await names(true, { task: "test.dropped" });
    // Other tests of this file have left limits of other tenants.
    expect(dropped.filter((id) => !id.includes("@"))).toEqual(["rate:test.dropped"]);
    expect(await names(false, { kind: "rate" })).toEqual(["rate:test.dropped", "rate:test.rated"]);
  });
});
