/** What the plain path may cost, held: rows and statements of D1, messages, requests to progress objects. */

import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_RETENTION_MS, MIN_RETENTION_MS } from "../../src/core/bounds.ts";
import { purgeDue, TOLD } from "../../src/core/wake.ts";
import { dueWhenEnded } from "../../src/results/ended.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import type { Execute } from "./database-over.ts";
import { isOfSums } from "./isolate-sums.ts";
import { realTime, stopTime } from "./passing-time.ts";

/** One call to D1 that has written something, by what its first writing statement does. */
interface Write {
  verb: string;
  rows: number;
}

let writes: Write[] = [];
let calls = 0;
let statements = 0;
let objects = 0;
/** Rows of an isolate's sums. */
let figures = 0;

/** Counts what D1 says that it wrote. */
const counted =
  (execute: Execute): Execute =>
  async (call) => {
    const results = await execute(call);
    if (call.every(({ sql }) => isOfSums(sql))) {
      figures += results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
      return results;
    }
    calls++;
    statements += call.length;
    for (const [i, { meta }] of results.entries()) {
      if (meta.rows_written === 0) continue;
      const { sql } = call[i]!;
      if (isOfSums(sql)) figures += meta.rows_written;
      else writes.push({ verb: verbOf(sql), rows: meta.rows_written });
    }
    return results;
  };

function verbOf(sql: string): string {
  return /\b(INSERT INTO|UPDATE|DELETE FROM) (\w+)/.exec(sql)?.slice(1).join(" ") ?? sql;
}

function worker(): AssembledWorker {
  return new AssembledWorker({
    database: counted,
    around: async (binding, call) => {
      if (binding === "progress") objects++;
      return call();
    },
  });
}

beforeEach(() => {
  stopTime();
  reset();
});

function reset(): void {
  writes = [];
  calls = 0;
  statements = 0;
  objects = 0;
  figures = 0;
}

afterEach(realTime);

/** Counts the timers that are set from here on. */
function countTimers(): () => number {
  const spies = [vi.spyOn(globalThis, "setTimeout"), vi.spyOn(globalThis, "setInterval"), vi.spyOn(scheduler, "wait")];
  return () => spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
}

const rows = () => writes.reduce((sum, write) => sum + write.rows, 0);

async function submitBatch(service: AssembledWorker, count: number, task = "test.noop"): Promise<string[]> {
  const tasks = Array.from({ length: count }, () => ({ task }));
  const response = await service.fetch("/v1/tasks/batch", { body: { tasks } });
  const { items } = await response.json<{ items: { task: { id: string } }[] }>();
  return items.map((item) => item.task.id);
}

async function statesOf(service: AssembledWorker, ids: string[]): Promise<Record<string, number>> {
  const { results } = await service.env.DB.prepare(
    "SELECT state, COUNT(*) AS count FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) GROUP BY state",
  )
    .bind(JSON.stringify(ids))
    .all<{ state: string; count: number }>();
  return Object.fromEntries(results.map(({ state, count }) => [state, count]));
}

/**
 * An event's: one that looks at its attempts, one that gathers their ends, a limit for each of two calls and for the
 * commit as a whole; and two of the one event that stays to write what an isolate has counted.
 */
const MOST_TIMERS = 7;

describe("a plain task", () => {
  it("writes four rows from its submission to its end: two, one and one", async () => {
    const service = worker();
    const { id } = await (await service.fetch("/v1/tasks", { body: { task: "test.noop" } })).json<{ id: string }>();
    expect(rows()).toBe(2);
    await service.deliver();
    expect(await statesOf(service, [id])).toEqual({ succeeded: 1 });
    expect(writes).toEqual([
      { verb: "INSERT INTO tasks", rows: 2 },
      { verb: "UPDATE tasks", rows: 1 },
      { verb: "UPDATE tasks", rows: 1 },
    ]);
  });

  it("is claimed by one statement and ended by another, with nothing else that leaves the isolate", async () => {
    const service = worker();
    // What an isolate does once.
    await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    await service.deliver();
    await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    reset();
    service.sent.splice(0);
    const timers = countTimers();
    await service.deliver();
    const cost = {
      statements,
      roundTrips: calls,
      rows: rows(),
      messages: service.sent.length,
      objects,
      timers: timers(),
    };
    console.log("a plain task's claim and commit", cost);
    expect(cost).toEqual({ ...cost, statements: 2, roundTrips: 2, rows: 2, messages: 0, objects: 0 });
    expect(cost.timers).toBeLessThanOrEqual(MOST_TIMERS);
  });

  it("costs no more statements in a crowd of 24: they are claimed at once, and those that end together are ended at once", async () => {
    const service = worker();
    await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    await service.deliver();
    await submitBatch(service, 24);
    reset();
    const timers = countTimers();
    await service.deliver();
    const cost = { statements, roundTrips: calls, rows: rows(), timers: timers() };
    console.log("the claim and commit of 24", cost);
    expect(cost).toEqual({ ...cost, statements: 2, roundTrips: 2, rows: 48 });
    expect(cost.timers).toBeLessThanOrEqual(MOST_TIMERS);
  });

  it("writes nothing more when the clock has looked at it", async () => {
    const service = worker();
    await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    await service.deliver();
    await service.tick(Date.now() + 60_000);
    expect(writes).toEqual([
      { verb: "INSERT INTO tasks", rows: 2 },
      { verb: "UPDATE tasks", rows: 1 },
      { verb: "UPDATE tasks", rows: 1 },
    ]);
  });

  it("is one message, and no request to a progress object", async () => {
    const service = worker();
    await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
    await service.deliver();
    expect(service.sent.flat()).toHaveLength(1);
    expect(objects).toBe(0);
  });

  it("does ask its object once it reports something", async () => {
    const service = worker();
    await service.fetch("/v1/tasks", { body: { task: "test.log", input: { lines: 1 } } });
    await service.deliver();
    expect(objects).toBeGreaterThan(0);
  });
});

describe("submissions one by one", () => {
  /** What it costs to take in `count` of them at once. */
  async function taken(count: number) {
    const service = worker();
    const answers = await Promise.all(
      Array.from({ length: count }, () => service.fetch("/v1/tasks", { body: { task: "test.noop", input: { n: 1 } } })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    const ids = service.sent.flat().flatMap(({ body }) => (body as { ids: string[] }).ids);
    expect(new Set(ids).size).toBe(count);
    const sends = service.sent.length;
    return { statements: statements, calls, rows: rows(), sends, messages: service.sent.flat().length };
  }

  it("are one statement, one call to D1, two rows and one message where one comes alone", async () => {
    expect(await taken(1)).toEqual({ statements: 1, calls: 1, rows: 2, sends: 1, messages: 1 });
  });

  it("share statements, calls and sends where many come together", async () => {
    const costs = await taken(60);
    console.log(`60 submissions at once: ${JSON.stringify(costs)}`);
    expect(costs.rows).toBe(120);
    expect(costs.statements).toBe(costs.calls);
    expect(costs.sends).toBe(costs.calls);
    // The first goes alone; how many of the others wait by then is up to the machine, but by far the most do.
    expect(costs.calls).toBeLessThanOrEqual(15);
    expect(costs.messages).toBeLessThanOrEqual(30);
  });
});

describe("a task that is not so plain", () => {
  it("writes one row more where it fails", async () => {
    const service = worker();
    const options = { maxAttempts: 1 };
    await service.fetch("/v1/tasks", { body: { task: "test.fail", input: { message: "no" }, options } });
    await service.deliver();
    expect(rows()).toBe(5);
  });

  it("writes one row more where it is another tenant's, at its submission", async () => {
    const service = worker();
    const body = { name: "costs", scopes: ["submit"], tenant: "costs" };
    const { key } = await (await service.fetch("/v1/keys", { body })).json<{ key: string }>();
    writes = [];
    await service.fetch("/v1/tasks", { body: { task: "test.noop" }, headers: { authorization: `Bearer ${key}` } });
    expect(rows()).toBe(3);
    await service.deliver();
    expect(rows()).toBe(5);
  });
});

describe("what an operator sees more of", () => {
  it("costs a task with steps at most three rows however many it has, and a change that is audited two", async () => {
    const service = worker();
    const costs: Record<string, number> = {};
    for (const steps of [1, 5]) {
      reset();
      const { id } = await (
        await service.fetch("/v1/tasks", { body: { task: "test.steps", input: { steps } } })
      ).json<{ id: string }>();
      await service.deliver();
      expect(await statesOf(service, [id])).toEqual({ succeeded: 1 });
      costs[`${steps} steps`] = rows() - 4;
    }
    const later = { task: "test.noop", options: { delay: "1h" } };
    const { id } = await (await service.fetch("/v1/tasks", { body: later })).json<{ id: string }>();
    reset();
    await service.fetch(`/v1/tasks/${id}/cancel`, { body: {} });
    const audited = writes.filter(({ verb }) => verb === "INSERT INTO audit");
    costs["a cancel's entry"] = audited.reduce((sum, each) => sum + each.rows, 0);
    console.log("rows of D1 beyond those of a plain task, or of the change itself", costs);
    // Two or three, by timing; none is written for each step.
    expect(Math.max(costs["1 steps"]!, costs["5 steps"]!)).toBeLessThanOrEqual(3);
    expect(costs["a cancel's entry"]).toBe(2);
  });
});

describe("a thousand tasks in one batch", () => {
  it("are one INSERT, a message for each hundred and each four portions, and are claimed and ended in sets", async () => {
    const service = worker();
    const ids = await submitBatch(service, 1_000);
    expect(writes).toEqual([{ verb: "INSERT INTO tasks", rows: 2_000 }]);
    expect(service.sent.flat()).toHaveLength(10);

    writes = [];
    calls = 0;
    await service.deliver();
    expect(await statesOf(service, ids)).toEqual({ succeeded: 1_000 });
    const moves = writes.filter((write) => write.verb === "UPDATE tasks");
    expect(moves.reduce((sum, write) => sum + write.rows, 0)).toBe(2_000);
    // Nothing was known of the lane at first, so the first event takes one portion of 42; the others take four each.
    expect(service.sent.flat()).toHaveLength(10 + 11);
    // Each of 42 portions: stored 2, held 1, removed 2.
    const portions = writes.filter((write) => write.verb.includes("portions") || write.verb.startsWith("WITH"));
    expect(portions.reduce((sum, write) => sum + write.rows, 0)).toBeLessThanOrEqual(42 * 5);
    // A claim for each 96; how many of them end together is up to the machine, but hardly any ends alone.
    expect(moves.length).toBeLessThanOrEqual(12 * 6);
    expect(calls).toBeLessThanOrEqual(12 * 8);
    expect(objects).toBe(0);
    // They are written every 15 s, a row for each tenant and minute, and no time has passed.
    expect(figures).toBeLessThanOrEqual(4);
  });
});

describe("the timer of an ended task", () => {
  const week = DEFAULT_RETENTION_MS;
  const ends = fc.record({
    createdAt: fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }),
    livedMs: fc.oneof(fc.nat({ max: 2 * week }), fc.constantFrom(0, 1, week / 2 - 1, week / 2, week / 2 + 1, week)),
    retentionMs: fc.constantFrom(MIN_RETENTION_MS, 60_000, week - 1, week, week + 1, 52 * week),
    object: fc.constantFrom(0, 0, 1, 2, 3, 8, 9),
  });

  it("is the same in SQL as in the rule, and sooner where an object must be told", async () => {
    const rows = fc.sample(ends, 2_000).map((end) => ({ ...end, at: end.createdAt + end.livedMs }));
    const { results } = await env.DB.prepare(
      `SELECT ${dueWhenEnded("tasks.at")} AS due FROM (
         SELECT value->>'at' AS at, value->>'createdAt' AS created_at, value->>'retentionMs' AS retention_ms,
           value->>'object' AS object
         FROM json_each(?1)) AS tasks`,
    )
      .bind(JSON.stringify(rows))
      .all<{ due: number | null }>();
    const expected = rows.map(({ at, createdAt, retentionMs, object }) =>
      object & TOLD ? at + 5_000 : purgeDue({ createdAt, retentionMs, finishedAt: at, retainUntil: at + retentionMs }),
    );
    expect(results.map((row) => row.due)).toEqual(expected);
    expect(new Set(expected.map((due) => due === null)).size).toBe(2);
  });
});
