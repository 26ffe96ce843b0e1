/** The doorbell: what is lost, repeated, late or nonsense costs time and never a task; and its sizes. */

import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ringBells } from "../../src/broker/bells.ts";
import { isTerminal, type State } from "../../src/core/states.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { settle } from "../../src/core/settle.ts";
import { claim } from "../../src/engine/claim.ts";
import { commit } from "../../src/engine/commit.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { storeAll } from "../../src/engine/store.ts";
import type { Commit } from "../../src/results/commit-attempts.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { TRUSTED_MS } from "../../src/broker/poke.ts";
import { jumpTo, passTime, realTime } from "./passing-time.ts";

beforeEach(() => {
  passTime();
  // Each test has a clock of its own, and the isolate trusts what the one before has promised for so long.
  jumpTo(Date.now() + TRUSTED_MS + 1_000);
});
afterEach(realTime);

/** A mix of tasks that succeed, fail, come again and wait. */
const MIX = [
  { task: "test.noop" },
  { task: "test.add", input: { x: 1, y: 2 } },
  { task: "test.failTimes", input: { times: 1 }, options: { retry: { base: "1s", jitter: "none" } } },
  { task: "test.fail", input: { message: "no" }, options: { maxAttempts: 2, retry: { base: "1s", jitter: "none" } } },
  { task: "test.fail", input: { message: "never", retryable: false } },
  { task: "test.noop", options: { delay: "30s" } },
  { task: "test.noop", options: { lane: "high" } },
];

/** Starts of the mix's handlers, each in the order above. */
const STARTS = [1, 1, 2, 2, 1, 1, 1];

const ENDS = ["succeeded", "succeeded", "succeeded", "failed", "failed", "succeeded", "succeeded"];

async function submitMix(service: AssembledWorker, times: number): Promise<string[]> {
  const tasks = Array.from({ length: times }, () => MIX).flat();
  const response = await service.fetch("/v1/tasks/batch", { body: { tasks } });
  const { items } = await response.json<{ items: { task: { id: string } }[] }>();
  return items.map((item) => item.task.id);
}

async function statesOf(ids: string[]): Promise<State[]> {
  const { results } = await env.DB.prepare("SELECT id, state FROM tasks WHERE id IN (SELECT value FROM json_each(?1))")
    .bind(JSON.stringify(ids))
    .all<{ id: string; state: State }>();
  const byId = new Map(results.map((row) => [row.id, row.state]));
  return ids.map((id) => byId.get(id)!);
}

/** Clock and queue go on until all of these have ended. */
async function workOff(service: AssembledWorker, ids: string[]): Promise<void> {
  for (let round = 0; round < 400; round++) {
    await service.deliver();
    if ((await statesOf(ids)).every(isTerminal)) return;
    const next = service.nextTick;
    if (next === null) throw new Error("tasks live, and the clock sleeps");
    jumpTo(next);
    await service.tick(Date.now());
  }
  throw new Error("it never ends");
}

/** Only bells that the clock rings arrive. */
class DeafWorker extends AssembledWorker {
  #isTicking = false;

  constructor() {
    super({ post: (messages) => (this.#isTicking ? messages : []) });
  }

  override async tick(now: number): Promise<void> {
    this.#isTicking = true;
    await super.tick(now);
    this.#isTicking = false;
  }
}

/** How often each of these was started. */
function startsOf(service: AssembledWorker, ids: string[]): number[] {
  expect(new Set(service.started).size).toBe(service.started.length);
  return ids.map((id) => service.started.filter((start) => start.startsWith(`${id}/`)).length);
}

const repeated = <T>(list: readonly T[], times: number) => Array.from({ length: times }, () => list).flat();

describe("bells", () => {
  it("that all come twice start nothing twice", async () => {
    const service = new AssembledWorker({ post: (messages) => [...messages, ...messages] });
    const ids = await submitMix(service, 10);
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(repeated(ENDS, 10));
    expect(startsOf(service, ids)).toEqual(repeated(STARTS, 10));
  });

  it("that come again when all is over start nothing", async () => {
    const service = new AssembledWorker();
    const ids = await submitMix(service, 2);
    await workOff(service, ids);
    const starts = service.started.length;
    await service.deliver(service.sent.flat());
    expect(service.started).toHaveLength(starts);
  });

  it("that are all lost but the clock's own cost only time", async () => {
    const service = new DeafWorker();
    const ids = await submitMix(service, 10);
    await service.deliver();
    expect(service.started).toEqual([]);
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(repeated(ENDS, 10));
    expect(startsOf(service, ids)).toEqual(repeated(STARTS, 10));
  });

  it("of which three of four are lost, the clock's too, cost only time", async () => {
    let n = 0;
    const service = new AssembledWorker({ post: (messages) => messages.filter(() => n++ % 4 === 3) });
    const ids = await submitMix(service, 10);
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(repeated(ENDS, 10));
    expect(startsOf(service, ids)).toEqual(repeated(STARTS, 10));
  });

  it("that the queue refuses are left to the clock", async () => {
    let refusals = 0;
    const service = new AssembledWorker({
      around: async (binding, call) => {
        if (binding === "queue" && refusals++ < 3) throw new Error("Too Many Requests");
        return call();
      },
    });
    const ids = await submitMix(service, 1);
    await workOff(service, ids);
    expect(refusals).toBeGreaterThan(3);
    expect(await statesOf(ids)).toEqual(ENDS);
  });

  it("are rung once more where the queue refused once", async () => {
    let refusals = 0;
    const service = new AssembledWorker({
      around: async (binding, call) => {
        if (binding === "queue" && refusals++ === 0) throw new Error("Too Many Requests");
        return call();
      },
    });
    await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    expect(service.queued).toHaveLength(1);
  });

  it.each([
    null,
    1,
    "bell",
    [],
    {},
    { ids: null },
    { ids: "x" },
    { ids: [1, null, {}] },
    { ids: ["no", "such", "task"] },
  ])("that are none (%j) are acknowledged and do nothing", async (body) => {
    const service = new AssembledWorker();
    expect(await service.deliverTo("lovage-default", [{ body }])).toBe("acknowledged");
    expect(service.started).toEqual([]);
  });

  it("do their work beside one that is none", async () => {
    const service = new AssembledWorker();
    const [id] = await submitMix(service, 1);
    await service.deliverTo("lovage-default", [{ body: "nonsense" }, ...service.queued, { body: null }]);
    expect(await statesOf([id!])).toEqual(["succeeded"]);
  });

  it("that end in the dead-letter queue put their tasks back under the clock", async () => {
    const service = new AssembledWorker();
    const ids = await submitMix(service, 1);
    const dead = service.queued.splice(0);
    expect(await service.deliverTo("lovage-dead", dead)).toBe("acknowledged");
    // At once, and not when the next bell would have been due.
    expect(service.nextTick).toBeLessThanOrEqual(Date.now());
    await service.tick(Date.now());
    await service.deliver();
    expect(service.started.length).toBeGreaterThan(0);
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(ENDS);
  });

  it("are given back while D1 is silent, and lose nothing", async () => {
    let isSilent = false;
    const service = new AssembledWorker({
      database: (execute) => async (statements) => {
        if (isSilent) throw new Error("D1_ERROR: Network connection lost.");
        return execute(statements);
      },
    });
    const ids = await submitMix(service, 1);
    const messages = service.queued.splice(0);
    isSilent = true;
    expect(await service.deliverTo("lovage-default", messages)).toBe("returned");
    expect(await service.deliverTo("lovage-dead", messages)).toBe("acknowledged");
    isSilent = false;
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(ENDS);
  });
});

describe("work that is done", () => {
  it("is not done again because D1 was silent for some seconds when it ended", async () => {
    let silentUntil = 0;
    const service = new AssembledWorker({
      database: (execute) => async (statements) => {
        const isCommit = statements.some(({ sql }) => sql.includes("history = json_insert"));
        if (isCommit && silentUntil === 0) silentUntil = Date.now() + 3_000;
        if (Date.now() < silentUntil) throw new Error("D1_ERROR: Network connection lost.");
        return execute(statements);
      },
    });
    const ids = await submitMix(service, 1);
    await service.deliver();
    await workOff(service, ids);
    expect(silentUntil).toBeGreaterThan(0);
    expect(await statesOf(ids)).toEqual(ENDS);
    expect(startsOf(service, ids)).toEqual(STARTS);
  });
});

describe("the sizes of bells", () => {
  /** What Queues takes: bytes of a message, messages and bytes of a `sendBatch`. */
  const LIMITS = { message: 128_000, batch: 100, batchBytes: 256_000 };

  it("stay below what a queue takes, however many tasks there are", async () => {
    const counts = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 12_000 }));
    const ids = newTaskIds(12_000);
    await fc.assert(
      fc.asyncProperty(counts, fc.constantFrom("default", "high", "nowhere"), async (count, lane) => {
        const batches: { body: unknown }[][] = [];
        const queue = { sendBatch: async (batch: Iterable<{ body: unknown }>) => void batches.push([...batch]) };
        const lanes = { LANE_DEFAULT: queue, LANE_HIGH: queue } as unknown as Env;
        const tasks = ids.slice(0, count).map((id) => ({ id, lane }));
        await ringBells(lanes, tasks);
        for (const batch of batches) {
          const sizes = batch.map(({ body }) => new TextEncoder().encode(JSON.stringify(body)).length + 100);
          expect(batch.length).toBeLessThanOrEqual(LIMITS.batch);
          expect(Math.max(...sizes)).toBeLessThanOrEqual(LIMITS.message);
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(LIMITS.batchBytes);
          expect(batch.length).toBeGreaterThan(0);
        }
        const rung = batches.flat().flatMap(({ body }) => (body as { ids: string[] }).ids);
        expect(rung).toEqual(tasks.map((task) => task.id));
      }),
      { numRuns: 60 },
    );
  });
});

describe("the sizes of what goes to D1", () => {
  /** What D1 takes: bytes of a value, parameters and bytes of a statement. */
  const LIMITS = { value: 2_000_000, params: 100, sql: 100_000 };

  const largest = { value: 0, params: 0, sql: 0 };

  const bytesOf = (value: unknown) => (typeof value === "string" ? new TextEncoder().encode(value).length : 8);

  function measured(): AssembledWorker {
    return new AssembledWorker({
      database: (execute) => async (statements) => {
        for (const { sql, params } of statements) {
          largest.value = Math.max(largest.value, ...params.map(bytesOf));
          largest.params = Math.max(largest.params, params.length);
          largest.sql = Math.max(largest.sql, bytesOf(sql));
        }
        return execute(statements);
      },
    });
  }

  beforeEach(() => void Object.assign(largest, { value: 0, params: 0, sql: 0 }));

  /** What a row takes, its JSON and its payloads included. */
  async function longestRow(ids: string[]): Promise<number> {
    const { results } = await env.DB.prepare("SELECT * FROM tasks WHERE id IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(ids))
      .all();
    return Math.max(...results.map((row) => bytesOf(JSON.stringify(row))));
  }

  const expectBelowLimits = () => {
    expect(largest.value).toBeLessThan(LIMITS.value);
    expect(largest.params).toBeLessThan(LIMITS.params);
    expect(largest.sql).toBeLessThan(LIMITS.sql);
  };

  it("stay below its limits for a thousand submissions of 1 to 16 KB", async () => {
    const service = measured();
    // Quotes and backslashes are what grows when JSON is put into JSON.
    const inputs = Array.from({ length: 1_000 }, (_, i) => ({
      value: (i % 2 ? 'x"\\' : "€uro").repeat(256 + (i % 16) * 256),
    }));
    const ids: string[] = [];
    for (let i = 0; i < inputs.length; i += 50) {
      const tasks = inputs.slice(i, i + 50).map((input) => ({ task: "test.identity", input }));
      const response = await service.fetch("/v1/tasks/batch", { body: { tasks } });
      const { items } = await response.json<{ items: { task: { id: string } }[] }>();
      ids.push(...items.map((item) => item.task.id));
    }
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(ids.map(() => "succeeded"));
    expectBelowLimits();
    expect(await longestRow(ids)).toBeLessThan(LIMITS.value);
  });

  it("stay below its limits where a thousand such are stored, claimed and ended at once", async () => {
    const service = measured();
    const now = Date.now();
    const text = (i: number) => JSON.stringify({ value: '"\\'.repeat(128 + (i % 16) * 128) });
    const tasks = newTaskIds(1_000).map((id, i) => {
      const body = { task: "test.identity", input: JSON.parse(text(i)) as unknown };
      const prepared = prepare(env, body, { tenant: "t", traceparent: null }, id, now);
      if (!prepared.ok) throw new Error(prepared.problem.detail);
      return prepared.task;
    });
    await storeAll(service.env, { waitUntil: () => {} }, tasks);
    const ids = tasks.map((task) => task.id);
    const { claimed } = await claim(service.env, ids);
    expect(claimed).toHaveLength(1_000);
    const commits = claimed.map((task, i): Commit => ({
      ...settle(task, { outcome: "succeeded", result: text(i) }, DEFAULT_RETRY, now, 0),
      id: task.id,
      attempt: 1,
      startedAt: now,
      at: now,
      progress: null,
      object: 0,
      mayRelease: false,
    }));
    expect(await commit(service.env, commits)).toHaveLength(1_000);
    expect(await statesOf(ids)).toEqual(ids.map(() => "succeeded"));
    expectBelowLimits();
  });

  it("stay below its limits for results of any size, many at once", async () => {
    const service = measured();
    const sizes = [1, 1_000, 16_382, 16_383, 100_000, 500_000, 1_048_576];
    const tasks = repeated(sizes, 8).map((bytes) => ({ task: "test.big", input: { bytes } }));
    const response = await service.fetch("/v1/tasks/batch", { body: { tasks } });
    const { items } = await response.json<{ items: { task: { id: string } }[] }>();
    const ids = items.map((item) => item.task.id);
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(ids.map(() => "succeeded"));
    expectBelowLimits();
    for (const [i, bytes] of sizes.entries()) {
      const task = await (await service.fetch(`/v1/tasks/${ids[i]}`)).json<{ result: string }>();
      expect(task.result).toHaveLength(bytes);
    }
  });

  it("stay below its limits for a row whose every attempt failed with as much as an error can hold", async () => {
    const service = measured();
    const message = '\\"€'.repeat(5_000);
    const options = { maxAttempts: 60, retry: { base: 0, jitter: "none" } };
    const response = await service.fetch("/v1/tasks", { body: { task: "test.fail", input: { message }, options } });
    const { id } = await response.json<{ id: string }>();
    for (let n = 0; n < 60; n++) {
      await service.tick(Date.now());
      await service.deliver();
    }
    expect(await statesOf([id])).toEqual(["failed"]);
    expectBelowLimits();
    expect(await longestRow([id])).toBeLessThan(LIMITS.value);
    const task = await (
      await service.fetch(`/v1/tasks/${id}`)
    ).json<{ attempts: unknown[]; error: { message: string } }>();
    expect(task.attempts).toHaveLength(50);
    expect(task.error.message.length).toBeGreaterThan(1_000);
  });

  it("fail the task, and nothing else, where its result is a byte too large", async () => {
    const service = measured();
    const response = await service.fetch("/v1/tasks", { body: { task: "test.big", input: { bytes: 1_048_577 } } });
    const { id } = await response.json<{ id: string }>();
    await service.deliver();
    const task = await (await service.fetch(`/v1/tasks/${id}`)).json<{ state: string; error: { type: string } }>();
    expect(task).toMatchObject({ state: "failed", error: { type: "ResultTooLargeError" } });
  });
});
