/** Concurrency by key: the limit is exact over claims in any order, and the slots agree with the tasks. */
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keepWaiters } from "../../src/clock/waiters.ts";
import type { KeyLimit } from "../../src/core/concurrency.ts";
import type { Ending } from "../../src/core/settle.ts";
import { rateOf } from "../../src/core/share.ts";
import { commit } from "../../src/engine/commit.ts";
import { submitFlow } from "../../src/engine/flows/submit.ts";
import { rescue } from "../../src/engine/rescue.ts";
import { retry } from "../../src/engine/retry.ts";
import { storeAll, storeOnce, type Background } from "../../src/engine/store.ts";
import { storeTogether } from "../../src/engine/store-together.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { readDue } from "../../src/results/due-tasks.ts";
import { startTasks } from "../../src/results/start-tasks.ts";
import { readMemberIds } from "../../src/results/flows/flows.ts";
import type { IdempotencyClaim } from "../../src/results/idempotency.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { readKeyWaiters } from "../../src/results/limits/waiters.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { glance } from "../../src/results/glance.ts";
import { forgetLimits, readIdleKeys, readNextWaiters } from "../../src/results/limits/slots.ts";
import { deleteTasks } from "../../src/results/purge-tasks.ts";
import { storeShared } from "../../src/results/shared-tasks.ts";
import { claimAt, claimIds, disagreements, hearingEnv, insertLimited, limitedTask, newKey } from "./limited-tasks.ts";
import { endOf } from "./webhook-tasks.ts";
import { runs } from "../setup/runs.ts";

const SUCCEEDED: Ending = { outcome: "succeeded", result: "null" };
const FAILED: Ending = { outcome: "failed", error: { type: "Error", message: "no" }, retryable: false };
const SLEEPS: Ending = {
  outcome: "suspended",
  wait: { type: "sleep", until: 1, signals: [], tasks: [], heard: 0 },
};
const SNOOZED: Ending = { outcome: "snoozed", delayMs: 0 };

/** Whether the clock is told that a task waits for a slot. */
async function hasWaiters(): Promise<boolean> {
  return (await glance(env.DB, Date.now(), 0)).hasWaiters;
}

function ending(task: ClaimedTask, how: Ending = SUCCEEDED) {
  return { ...endOf(task, how), concurrency: task.concurrency };
}

async function runningOf(key: string): Promise<number> {
  return (await env.DB.prepare("SELECT COUNT(*) AS n FROM places WHERE key = ?1 AND running = 1")
    .bind(key)
    .first<number>("n"))!;
}

describe("a claim", () => {
  it("never starts more than the limit, whatever claims race in whatever order and batch", async () => {
    const bells = fc.array(fc.array(fc.nat({ max: 29 }), { minLength: 1, maxLength: 12 }), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 7 }), bells, async (limit, asked) => {
        const key = newKey();
        const ids = await insertLimited(30, { concurrency: [{ key, limit }] });
        const claims = await Promise.all(asked.map((nths) => claimIds(nths.map((nth) => ids[nth]!))));
        const distinct = new Set(asked.flat()).size;
        const claimed = claims.flat();
        expect(new Set(claimed).size).toBe(claimed.length);
        expect(claimed).toHaveLength(Math.min(limit, distinct));
        expect(await runningOf(key)).toBe(claimed.length);
      }),
      { numRuns: runs(12, 40) },
    );
  });

  it("takes tasks in the order in which they were submitted", async () => {
    const ids = await insertLimited(10, { concurrency: [{ key: newKey(), limit: 3 }] });
    expect(await claimIds(ids.toReversed())).toEqual(ids.slice(0, 3));
  });

  it("needs a place under every key of a task, and leaves those of a task that cannot start to those behind it", async () => {
    const [a, b] = [newKey(), newKey()];
    const limits = (...keys: string[]): KeyLimit[] => keys.map((key) => ({ key, limit: 1 }));
    const [holder] = await insertLimited(1, { concurrency: limits(b) });
    expect(await claimIds([holder!])).toEqual([holder]);
    const [both] = await insertLimited(1, { concurrency: limits(a, b) });
    const [one] = await insertLimited(1, { concurrency: limits(a) });
    expect(await claimIds([both!, one!])).toEqual([one]);
    expect(await disagreements()).toEqual([]);
  });

  it("counts no task that expired while waiting", async () => {
    const key = newKey();
    const now = Date.now();
    const late = limitedTask({ concurrency: [{ key, limit: 1 }] }, { expiresAt: now - 1 });
    await insertTasks(env.DB, [late]);
    const [next] = await insertLimited(1, { concurrency: [{ key, limit: 1 }] });
    expect(await claimIds([late.id, next!], now)).toEqual([next]);
  });

  it("goes by the limit that was submitted last", async () => {
    const key = newKey();
    const few = await insertLimited(5, { concurrency: [{ key, limit: 1 }] });
    expect(await claimIds(few)).toHaveLength(1);
    await insertLimited(1, { concurrency: [{ key, limit: 4 }] });
    expect(await claimIds(few)).toHaveLength(3);
    await insertLimited(1, { concurrency: [{ key, limit: 2 }] });
    expect(await claimIds(few)).toEqual([]);
    expect(await runningOf(key)).toBe(4);
  });
});

/** The task that is stored is another one, under the same limits. */
async function storeAsFlow(hearing: Env, background: Background, task: NewTask): Promise<string> {
  const [limit] = JSON.parse(task.concurrency!) as KeyLimit[];
  const concurrency = { ...limit, key: limit!.key.slice("tenant:t:".length) };
  const body = { group: [{ task: "test.noop", options: { concurrency } }] };
  const { id } = await submitFlow(hearing, background, body, { tenant: "t", traceparent: null }, null, Date.now());
  return (await readMemberIds(env.DB, id))![0]!;
}

describe("a submission with another limit", () => {
  const claimOf = (made: string): IdempotencyClaim => {
    const now = Date.now();
    return { tenant: "t", key: newKey(), fingerprint: made, made, now, expiresAt: now + 60_000, lanes: [] };
  };
  const stores: [string, (env: Env, background: Background, task: NewTask) => Promise<unknown>][] = [
    ["alone", storeTogether],
    ["with others", (...[hearing, background, task]) => storeAll(hearing, background, [task])],
    ["as a flow", storeAsFlow],
    ["with an idempotency key", (...[hearing, bg, task]) => storeOnce(hearing, bg, [task], claimOf(task.id))],
  ];

  it.each(stores)("%s, that raises it, sends messages for waiting tasks as well, in their order", async (_, store) => {
    const key = newKey();
    const ids = await insertLimited(6, { concurrency: [{ key, limit: 1 }] });
    expect(await claimIds(ids)).toEqual([ids[0]]);
    const hearing = hearingEnv();
    const works: Promise<unknown>[] = [];
    const background = { waitUntil: (work: Promise<unknown>) => void works.push(work) };
    const submit = async (limit: number) => {
      const task = limitedTask({ concurrency: [{ key, limit }] });
      const id = await store(hearing.env, background, task);
      await Promise.all(works);
      return store === storeAsFlow ? (id as string) : task.id;
    };
    const raising = await submit(4);
    const rung = hearing.rung();
    expect(rung).toEqual([...ids.slice(1), raising]);
    expect(await claimIds(rung)).toEqual(ids.slice(1, 4));
    for (const limit of [4, 2]) {
      const after = await submit(limit);
      expect(hearing.rung()).toEqual([after]);
    }
  });
});

describe("the places", () => {
  type Step =
    | { do: "submit"; keys: number[]; delayed: boolean }
    | { do: "claim" | "cancel" | "retry" | "delete" | "start"; nths: number[] }
    | { do: "commit"; nths: number[]; how: Ending }
    | { do: "rescue" };
  const nths = fc.array(fc.nat({ max: 14 }), { minLength: 1, maxLength: 6 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("submit" as const), keys: fc.subarray([0, 1, 2]), delayed: fc.boolean() }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("claim" as const), nths }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("commit" as const),
        nths,
        how: fc.constantFrom(SUCCEEDED, FAILED, SLEEPS, SNOOZED),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("cancel" as const, "retry" as const, "delete" as const, "start" as const),
        nths,
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("rescue" as const) }) },
  );

  it("agree with the states of the tasks after any program, and no key ever has more than its limit", async () => {
    let steps = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (program) => {
        const limits = [1, 2, 3].map((limit) => ({ key: newKey(), limit }));
        const ids: string[] = [];
        const held = new Map<string, ClaimedTask>();
        let now = Date.now();
        for (const each of program) {
          steps++;
          now += 1_000;
          const chosen = "nths" in each ? each.nths.flatMap((nth) => ids[nth] ?? []) : [];
          switch (each.do) {
            case "submit": {
              const concurrency = each.keys.map((nth) => limits[nth]!);
              const task = limitedTask({ concurrency }, each.delayed ? { state: "scheduled", runAt: now } : {});
              await insertTasks(env.DB, [task]);
              ids.push(task.id);
              break;
            }
            case "claim":
              for (const task of (await claimAt(chosen, now)).claimed) held.set(task.id, task);
              break;
            case "commit": {
              const commits = chosen.flatMap((id) => held.get(id) ?? []).map((task) => ending(task, each.how));
              if (commits.length > 0) await commitAttempts(env.DB, commits);
              break;
            }
            case "cancel":
              await cancelTasks(env.DB, chosen, null, now);
              break;
            case "retry":
              await retry(hearingEnv().env, { waitUntil: () => {} }, chosen, null, now);
              break;
            case "delete":
              await deleteTasks(env.DB, chosen, null);
              break;
            case "start":
              await startTasks(env.DB, chosen, now);
              break;
            case "rescue": {
              const due = await readDue(env.DB, now + 100_000, 500);
              await rescue(
                hearingEnv().env,
                due.filter((row) => row.state === "running"),
                now,
              );
              break;
            }
          }
          expect(await disagreements()).toEqual([]);
          for (const { key, limit } of limits) expect(await runningOf(key)).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: runs(12, 40) },
    );
    console.log(`places agreed with the tasks after each of ${steps} steps of 40 programs`);
  });

  it("are those of the last input of a debounced task, and none are left of the inputs before", async () => {
    const [before, after] = [newKey(), newKey()];
    const share = { kind: "debounce", key: newKey(), ms: 1_000 } as const;
    const now = Date.now();
    const debounced = (key: string, limit: number) =>
      limitedTask(
        { concurrency: [{ key, limit }], rates: [rateOf(key, 1, 1_000, 1)] },
        { state: "scheduled", runAt: now + 1_000, tenant: "debounced" },
      );
    const id = await storeShared(env.DB, debounced(before, 1), share, now);
    expect(await storeShared(env.DB, debounced(after, 2), share, now + 1)).toBe(id);
    expect(await disagreements()).toEqual([]);
    expect(await env.DB.prepare("SELECT max FROM limits WHERE key = ?1").bind(after).first("max")).toBe(2);
    await startTasks(env.DB, [id!], now + 2_000);
    const { claimed } = await claimAt([id!], now + 2_000);
    expect(claimed.map((task) => task.concurrency)).toEqual([JSON.stringify([{ key: after, limit: 2 }])]);
    expect([await runningOf(before), await runningOf(after)]).toEqual([0, 1]);
  });

  it("go with the tasks, and the limit of a key that no task uses with them", async () => {
    const key = newKey();
    const ids = await insertLimited(3, { concurrency: [{ key, limit: 1 }] });
    await cancelTasks(env.DB, ids, null, Date.now());
    await forgetLimits(env.DB, "", 1_000).run();
    const left = await env.DB.prepare(
      "SELECT (SELECT COUNT(*) FROM places WHERE key = ?1) + (SELECT COUNT(*) FROM limits WHERE key = ?1) AS n",
    )
      .bind(key)
      .first<number>("n");
    expect(left).toBe(0);
  });
});

/** All of them, however many limits other tests have left. */
async function idleKeys(): Promise<string[]> {
  const all: string[] = [];
  let after = "";
  do {
    const { keys, next } = await readIdleKeys(env.DB, 1_000, after);
    all.push(...keys);
    after = next;
  } while (after !== "");
  return all;
}

describe("the next in line", () => {
  it("is rung for by the commit that frees the place", async () => {
    const key = newKey();
    const ids = await insertLimited(3, { concurrency: [{ key, limit: 1 }] });
    const { claimed } = await claimAt(ids);
    const { env: bindings, rung } = hearingEnv();
    await commit(bindings, [ending(claimed[0]!)]);
    expect(rung()).toEqual([ids[1], ids[2]]);
    expect(await claimIds(ids)).toEqual([ids[1]]);
  });

  it("is not rung for while there is no room", async () => {
    const key = newKey();
    const ids = await insertLimited(3, { concurrency: [{ key, limit: 1 }] });
    await claimAt(ids);
    expect(await readNextWaiters(env.DB, [key])).toEqual([]);
    expect(await idleKeys()).not.toContain(key);
  });

  it("is rung for when the attempt before it was lost", async () => {
    const key = newKey();
    const now = Date.now();
    const ids = await insertLimited(2, { concurrency: [{ key, limit: 1 }] });
    await claimAt(ids, now);
    const { env: bindings, rung } = hearingEnv();
    const due = await readDue(env.DB, now + 60_000, 100_000);
    await rescue(
      bindings,
      due.filter((row) => row.id === ids[0]),
      now + 60_000,
    );
    expect(rung()).toEqual(expect.arrayContaining(ids));
    expect(await disagreements()).toEqual([]);
  });

  it("is found by the clock where the bell was lost", async () => {
    const key = newKey();
    const ids = await insertLimited(2, { concurrency: [{ key, limit: 1 }] });
    const { claimed } = await claimAt(ids);
    await commit(hearingEnv().env, [ending(claimed[0]!)]);
    expect(await hasWaiters()).toBe(true);
    const { env: bindings, rung } = hearingEnv();
    const now = Date.now() + 60_000;
    expect(await keepWaiters(bindings, now, await hasWaiters(), 200)).toBe(now + 3_000);
    expect(rung()).toContain(ids[1]);
  });

  it("keeps the clock awake only while a task is queued", async () => {
    await env.DB.prepare(
      "UPDATE tasks SET state = 'cancelled', finished_at = 1 WHERE state NOT IN ('cancelled', 'succeeded', 'failed')",
    ).run();
    const concurrency = [{ key: newKey(), limit: 1 }];
    await insertTasks(env.DB, [limitedTask({ concurrency }, { state: "scheduled", runAt: Date.now() + 1e9 })]);
    expect(await hasWaiters()).toBe(false);
    expect(await keepWaiters(hearingEnv().env, Date.now() + 120_000, await hasWaiters(), 200)).toBe(null);
  });

  it("knows which task is before it", async () => {
    const key = newKey();
    const concurrency = [{ key, limit: 1 }];
    const ids = await insertLimited(2, { concurrency });
    await insertTasks(env.DB, [limitedTask({ concurrency }, { state: "scheduled", runAt: Date.now() + 1e9 })]);
    const [last] = await insertLimited(1, { concurrency });
    await claimAt(ids);
    const line = { key, limit: 1, position: 2, capped: false };
    const [holder] = await readTasks(env.DB, [ids[0]!]);
    const own = await readKeyWaiters(env.DB, { id: last!, tenant: holder!.tenant }, [key]);
    expect(own).toMatchObject([{ ...line, heldBy: [holder!.id] }]);
    // Another tenant's ids are not shown.
    const other = await readKeyWaiters(env.DB, { id: last!, tenant: "other" }, [key]);
    expect(other).toMatchObject([{ ...line, heldBy: [], startedAts: [expect.any(Number)] }]);
  });
});
