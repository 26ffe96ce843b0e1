/** A D1 that is overloaded, silent or lost: what callers are told, and how often it is asked. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { persist, persistOr503, RefusalError } from "../../src/results/d1.ts";
import { troubleOf } from "../../src/results/trouble.ts";
import { BROKEN } from "./actor.ts";
import { AssembledWorker } from "./assembled-worker.ts";

const OVERLOADED = "D1_ERROR: D1 DB is overloaded. Requests queued for too long.";

let calls = 0;
/** What D1 throws; null while it answers. */
let says: string | null = null;

const service = new AssembledWorker({
  database: (execute) => async (statements) => {
    calls++;
    if (says !== null) throw new Error(says);
    return execute(statements);
  },
});

const post = () => service.fetch("/v1/tasks", { body: { task: "test.noop" } });

/** Answers how many calls to D1 this took. */
async function counting(work: () => Promise<unknown>): Promise<number> {
  const before = calls;
  await work();
  return calls - before;
}

async function told(response: Response): Promise<unknown[]> {
  const { type } = await response.json<{ type: string }>();
  return [response.status, type, /^[1-9]\d*$/.test(response.headers.get("retry-after") ?? "")];
}

const UNAVAILABLE = [503, "/problems/unavailable", true];

/** Time stands still unless a test moves it, and never goes back. */
let now = Date.now();

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now });
  says = null;
});

afterEach(async () => {
  // The next test finds a D1 that answers.
  says = null;
  now = Date.now() + 60_000;
  vi.setSystemTime(now);
  await persistOr503(async () => null);
  vi.useRealTimers();
});

describe("an overloaded D1", () => {
  it("is not asked again for waiting callers, and soon not at all", async () => {
    says = OVERLOADED;
    expect(await counting(async () => expect(await told(await post())).toEqual(UNAVAILABLE))).toBe(1);
    const others = async () => {
      const answers = await Promise.all(Array.from({ length: 100 }, post));
      expect(await Promise.all(answers.map(told))).toEqual(answers.map(() => UNAVAILABLE));
      expect(new Set(answers.map((answer) => answer.headers.get("retry-after"))).size).toBeGreaterThan(3);
    };
    expect(await counting(others)).toBe(0);
    const batch = { tasks: [{ task: "test.noop" }, { task: "test.noop" }] };
    expect(await counting(() => service.fetch("/v1/tasks/batch", { body: batch }))).toBe(0);
    expect(await counting(() => service.fetch("/v1/tasks"))).toBe(0);
  });

  it("is probed by one call at a time, less and less often, and everything goes again once it answers", async () => {
    says = OVERLOADED;
    await post();
    const crowd = () => Promise.all(Array.from({ length: 50 }, post));
    const probes: number[] = [];
    for (let second = 0; second < 60; second++) {
      vi.setSystemTime(Date.now() + 1_000);
      probes.push(await counting(crowd));
    }
    expect(Math.max(...probes)).toBe(1);
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    expect(sum(probes.slice(0, 10))).toBeGreaterThanOrEqual(2);
    expect(sum(probes.slice(40))).toBeLessThanOrEqual(6);

    says = null;
    vi.setSystemTime(Date.now() + 10_000);
    expect((await post()).status).toBe(202);
    expect((await crowd()).map((answer) => answer.status)).toEqual(Array.from({ length: 50 }, () => 202));
  });

  it("is asked again in the background after seconds that grow", async () => {
    const pauses: number[] = [];
    const wait = vi.spyOn(scheduler, "wait").mockImplementation(async (ms) => void pauses.push(ms));
    says = OVERLOADED;
    const call = async () => {
      calls++;
      throw new Error(says!);
    };
    expect(await counting(() => expect(persist(call)).rejects.toThrow("overloaded"))).toBe(5);
    expect(pauses.length).toBe(4);
    for (const [i, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(200 * 2 ** i);
      expect(pause).toBeLessThanOrEqual(600 * 2 ** i);
    }
    wait.mockRestore();
  });

  it("that answers a call from before the overload is overloaded all the same", async () => {
    const early = Promise.withResolvers<null>();
    const before = persistOr503(() => early.promise);
    vi.setSystemTime(Date.now() + 10);
    says = OVERLOADED;
    await post();
    vi.setSystemTime(Date.now() + 10);
    early.resolve(null);
    await before;
    expect(await counting(post)).toBe(0);
  });
});

describe("a silent D1", () => {
  it("keeps no caller for longer than ten seconds, and the next ones not at all", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now });
    const asked = vi.fn(() => new Promise<never>(() => {}));
    const refusal = persistOr503(asked).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(9_900);
    expect(await Promise.race([refusal, Promise.resolve("waits")])).toBe("waits");
    await vi.advanceTimersByTimeAsync(200);
    expect(await refusal).toBeInstanceOf(RefusalError);
    expect(await persistOr503(asked).catch((error: RefusalError) => error.trouble)).toBe("overloaded");
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it("is no news where a later call was answered", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now });
    const refusal = persistOr503(() => new Promise<never>(() => {})).catch((error: RefusalError) => error.trouble);
    await vi.advanceTimersByTimeAsync(5_000);
    await persistOr503(async () => null);
    await vi.advanceTimersByTimeAsync(5_100);
    expect(await refusal).toBe("silent");
    expect(await counting(post)).toBeGreaterThan(0);
  });

  it("does not hold up the background for ever", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now });
    const wait = vi.spyOn(scheduler, "wait").mockResolvedValue(undefined);
    const lost = persist(() => new Promise<never>(() => {})).catch((error: unknown) => troubleOf(error));
    await vi.advanceTimersByTimeAsync(80_000);
    expect(await lost).toBe("silent");
    wait.mockRestore();
  });
});

it("a lost answer is asked for again, six times in all", async () => {
  const call = async () => {
    calls++;
    throw new Error(BROKEN);
  };
  const refused = async () =>
    expect(await persistOr503(call).catch((error: RefusalError) => error.trouble)).toBe("lost");
  expect(await counting(refused)).toBe(6);
  expect(await counting(() => expect(persist(call)).rejects.toThrow(BROKEN))).toBe(6);
  // It is no overload: the next one is asked.
  expect((await post()).status).toBe(202);
});

it.each([
  ["D1_ERROR: D1 DB is overloaded. Too many requests queued.", "overloaded"],
  ["D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.", "overloaded"],
  ["D1_ERROR: D1 DB's isolate exceeded its memory limit and was reset.", "overloaded"],
  ["D1_ERROR: D1 DB exceeded its CPU time limit and was reset.", "overloaded"],
  ["D1_ERROR: D1 DB reset because its code was updated.", "lost"],
  ["D1_ERROR: Internal error in D1 DB storage caused object to be reset.", "lost"],
  ["D1_ERROR: Cannot resolve D1 DB due to transient issue on remote node.", "lost"],
  ["D1_ERROR: Network connection lost.", "lost"],
  // An object of ours says nothing of D1.
  ["Durable Object is overloaded. Too many requests queued.", "lost"],
  ["D1_ERROR: Exceeded maximum DB size", "full"],
  ["D1_ERROR: Exceeded maximum account storage limit", "full"],
  ["D1_ERROR: database or disk is full: SQLITE_FULL", "full"],
  ["D1_ERROR: UNIQUE constraint failed: tasks.id: SQLITE_CONSTRAINT", "final"],
  ["D1_ERROR: no such table: task: SQLITE_ERROR", "final"],
])("%s: %s", (text, trouble) => expect(troubleOf(new Error(text))).toBe(trouble));

describe("a D1 without the migrations of this release", () => {
  it.each(["no such table: tasks", "no such column: paused_at", "table tasks has no column named paused_at"])(
    "%s: the answer says so, and which command applies them",
    async (missing) => {
      says = `D1_ERROR: ${missing}: SQLITE_ERROR`;
      for (const answer of [await post(), await service.fetch("/v1/tasks")]) {
        expect(answer.status).toBe(503);
        expect(await answer.json()).toMatchObject({
          type: "/problems/migrations-missing",
          detail: expect.stringMatching(new RegExp(`${missing}.*npx wrangler d1 migrations apply DB --local`)),
        });
      }
    },
  );
});

describe("a service without a key", () => {
  it("says so on its own machine, and where the key belongs", async () => {
    const { API_KEY } = service.env;
    service.env.API_KEY = "";
    const answer = await post();
    service.env.API_KEY = API_KEY!;
    expect([answer.status, (await answer.json<{ detail: string }>()).detail]).toEqual([
      401,
      expect.stringContaining("there is no API_KEY: `npm start` writes one to .dev.vars"),
    ]);
  });
});
