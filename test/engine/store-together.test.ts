/** Requests that store their tasks together: how long one of them leads, and what its death costs the others. */

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GROUPS_PER_LEAD, PATIENCE_MS, storeTogether } from "../../src/engine/store-together.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { databaseOver, executeOn, type Execute } from "./database-over.ts";
import { hearingEnv } from "./limited-tasks.ts";
import { newTask, newTenant } from "./webhook-tasks.ts";

const real = executeOn(env.DB);

/** One request with an invocation of its own: what it stores, its calls to D1 and the statements in them. */
class Request {
  readonly task: NewTask;
  calls = 0;
  statements = 0;
  readonly answer: Promise<unknown>;

  constructor(database: (request: Request) => Execute = () => real, task = newTask(newTenant())) {
    this.task = task;
    const execute = database(this);
    const counting: Execute = (statements) => {
      this.calls++;
      this.statements += statements.length;
      return execute(statements);
    };
    const background = { waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined) };
    const bindings = { ...hearingEnv().env, DB: databaseOver(counting) };
    this.answer = storeTogether(bindings, background, this.task);
    this.answer.catch(() => undefined);
  }
}

async function storedOf(requests: Request[]): Promise<Set<string>> {
  return new Set(
    (
      await readTasks(
        env.DB,
        requests.map(({ task }) => task.id),
      )
    ).map((row) => row.id),
  );
}

const NEVER = new Promise<never>(() => {});

describe("the lead", () => {
  // It stands still unless a test moves it.
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
  afterEach(() => void vi.useRealTimers());

  it("is handed on after a few groups, however many requests come", async () => {
    const requests: Request[] = [];
    // Each write is joined by another request, so that there is always one that waits.
    const busy = (): Execute => async (statements) => {
      if (requests.length < 60) requests.push(new Request(busy));
      return real(statements);
    };
    requests.push(new Request(busy));
    await vi.waitUntil(() => requests.length === 60, { timeout: 15_000 });
    expect(await Promise.all(requests.map(({ answer }) => answer))).toEqual(requests.map(() => null));
    expect((await storedOf(requests)).size).toBe(60);
    const calls = requests.map((request) => request.calls);
    expect(Math.max(...calls)).toBe(GROUPS_PER_LEAD);
    expect(calls.filter((count) => count > 0).length).toBeGreaterThanOrEqual(60 / GROUPS_PER_LEAD);
    console.log(`statements of an invocation that leads: ${Math.max(...requests.map(({ statements }) => statements))}`);
  });

  it("is handed on after some seconds, though few groups were written", async () => {
    const requests: Request[] = [];
    const slow = (): Execute => async (statements) => {
      vi.setSystemTime(Date.now() + 1_500);
      if (requests.length < 12) requests.push(new Request(slow));
      return real(statements);
    };
    requests.push(new Request(slow));
    await vi.waitUntil(() => requests.length === 12, { timeout: 15_000 });
    await Promise.all(requests.map(({ answer }) => answer));
    expect(Math.max(...requests.map(({ calls }) => calls))).toBe(2);
  });

  it("is for groups of few statements, however large the inputs", async () => {
    const gate = Promise.withResolvers<void>();
    const large = { ...newTask(newTenant()), input: JSON.stringify("x".repeat(20_000)) };
    const held = (): Execute => async (statements) => gate.promise.then(() => real(statements));
    const leader = new Request(held);
    const others = Array.from({ length: 90 }, () => new Request(held, { ...large, id: newTask("t").id }));
    gate.resolve();
    await Promise.all([leader, ...others].map(({ answer }) => answer));
    expect((await storedOf(others)).size).toBe(90);
    // Five groups of twenty inputs at the most, each with its rows and a look at the lanes.
    expect(leader.calls).toBe(6);
    expect(leader.statements).toBeLessThan(120);
  });
});

describe("a leader that dies", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
  afterEach(() => void vi.useRealTimers());

  /** The leader's n-th call is its last: nothing of it ever happens again. */
  const dying =
    (call: number, when: "before" | "after") =>
    (request: Request): Execute =>
    async (statements) => {
      if (request.calls > call || (request.calls === call && when === "before")) return NEVER;
      const results = await real(statements);
      return request.calls === call ? NEVER : results;
    };

  /** The timers of an invocation die with it. */
  function mortal(database: (request: Request) => Execute): Request {
    const timers = vi.spyOn(globalThis, "setTimeout").mockReturnValue(0);
    const request = new Request(database);
    timers.mockRestore();
    return request;
  }

  it.each([
    ["before its first group is stored", 1, "before"],
    ["after its first group was stored", 1, "after"],
    ["before its second group is stored", 2, "before"],
    ["after its second group was stored", 2, "after"],
  ] as const)("%s costs the others some seconds, no task and few calls", async (_, call, when) => {
    const gate = Promise.withResolvers<void>();
    const dies = dying(call, when);
    const leader = mortal((request) => async (statements) => {
      await gate.promise;
      return dies(request)(statements);
    });
    const others = Array.from({ length: 12 }, () => new Request());
    gate.resolve();
    await vi.waitUntil(() => leader.calls === call, { timeout: 5_000 });
    if (when === "after") await vi.waitUntil(async () => (await storedOf([leader])).size === 1);
    expect(others.reduce((sum, { calls }) => sum + calls, 0)).toBe(0);
    await vi.advanceTimersByTimeAsync(PATIENCE_MS + 1);
    // Its own task is stored as well: in a group it is like any other.
    expect(await Promise.all([leader, ...others].map(({ answer }) => answer))).toEqual([
      null,
      ...others.map(() => null),
    ]);
    expect((await storedOf([leader, ...others])).size).toBe(13);
    // One of them has taken the lead, and all the rest went with it.
    expect(others.filter(({ calls }) => calls > 0).length).toBe(1);
    expect(others.reduce((sum, { calls }) => sum + calls, 0)).toBeLessThanOrEqual(2);
  });

  it("is followed by the next request, not only by those that wait", async () => {
    const dead = mortal(dying(1, "before"));
    await vi.waitUntil(() => dead.calls === 1);
    vi.setSystemTime(Date.now() + PATIENCE_MS + 1);
    const next = new Request();
    expect(await Promise.all([dead.answer, next.answer])).toEqual([null, null]);
    expect((await storedOf([dead, next])).size).toBe(2);
  });
});

describe("a leader whose answer comes as the others' patience ends", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
  afterEach(() => void vi.useRealTimers());

  /** More than an answer takes from D1 to the last of the callers that wait for it. */
  const TURNS = 60;

  it("leaves nothing to write for the one that takes the lead, and all are answered", async () => {
    for (let turns = 0; turns < TURNS; turns++) {
      const gate = Promise.withResolvers<void>();
      let isStored = false;
      const leader = new Request((request) => async (statements) => {
        const { calls } = request;
        const results = await real(statements);
        if (calls === 1) return results;
        isStored = true;
        await gate.promise;
        return results;
      });
      let writing = 0;
      const counted = (): Execute => async (statements) => {
        writing++;
        return real(statements).finally(() => writing--);
      };
      const others = [new Request(counted), new Request(counted)];
      await vi.waitUntil(() => isStored);
      gate.resolve();
      // The patience ends so many turns later: for some of them a request is answered, and does not know it yet.
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      vi.advanceTimersByTime(PATIENCE_MS + 1);
      expect(await Promise.all([leader, ...others].map(({ answer }) => answer))).toEqual([null, null, null]);
      // The lead is free again.
      await vi.waitUntil(() => writing === 0);
    }
  });
});

describe("a group that fails", () => {
  it("for one task's sake fails for that one alone", async () => {
    const gate = Promise.withResolvers<void>();
    const leader = new Request(() => async (statements) => gate.promise.then(() => real(statements)));
    const bad = new Request(undefined, { ...newTask(newTenant()), node: "{ not JSON" });
    const others = Array.from({ length: 5 }, () => new Request());
    gate.resolve();
    expect(await Promise.all([leader, ...others].map(({ answer }) => answer))).toEqual([
      null,
      ...others.map(() => null),
    ]);
    await expect(bad.answer).rejects.toThrow(/malformed JSON/);
    expect((await storedOf([leader, ...others, bad])).size).toBe(6);
    // Each stores its own task alone, once.
    expect(Math.max(bad.calls, ...others.map(({ calls }) => calls))).toBe(1);
  });

  it("is refused to each of them, for a time of its own", async () => {
    const gate = Promise.withResolvers<void>();
    const full: Execute = async () => {
      await gate.promise;
      throw new Error("D1_ERROR: Exceeded maximum DB size");
    };
    const first = new Request(() => full);
    const others = Array.from({ length: 40 }, () => new Request(() => full));
    gate.resolve();
    const refusals = await Promise.all([first, ...others].map(({ answer }) => answer.catch((error: unknown) => error)));
    expect(refusals).toEqual(
      refusals.map(() => expect.objectContaining({ problem: expect.objectContaining({ name: "storage-full" }) })),
    );
    expect(
      new Set((refusals as { headers: Record<string, string> }[]).map(({ headers }) => headers["Retry-After"])).size,
    ).toBeGreaterThan(5);
    expect([first, ...others].reduce((sum, { calls }) => sum + calls, 0)).toBe(2);
  });
});
