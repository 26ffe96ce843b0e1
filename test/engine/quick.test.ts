/** Events that claim more attempts than they run at once: how many, when, and what becomes of those that cannot begin soon. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { budgetOf } from "../../src/core/plan.ts";
import type { Handlers } from "../../src/worker/work.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import type { Execute } from "./database-over.ts";
import { realTime, stopTime } from "./passing-time.ts";

const { attemptsPerEvent: EACH, quickPerEvent: MOST } = budgetOf({});

/** Tasks of each claim that got some. */
let claims: number[] = [];
/** Called before each call to D1 that ends tasks. */
let onCommit = () => {};

afterEach(async () => {
  realTime();
  await env.DB.batch([env.DB.prepare("DELETE FROM portions"), env.DB.prepare("DELETE FROM tasks")]);
});

const noted =
  (execute: Execute): Execute =>
  async (call) => {
    if (call.some(({ sql }) => /UPDATE tasks SET\s+state = CASE/.test(sql))) onCommit();
    const results = await execute(call);
    for (const [i, { sql }] of call.entries()) {
      if (/SET state = 'running'/.test(sql) && results[i]!.results.length > 0) claims.push(results[i]!.results.length);
    }
    return results;
  };

/** A service whose lane `default` has been quick, as this isolate has seen. */
async function quickService(handlers?: (real: Handlers) => Handlers): Promise<AssembledWorker> {
  const service = new AssembledWorker({ database: noted, ...(handlers && { handlers }) });
  await service.fetch("/v1/tasks", { body: { task: "test.noop" } });
  await service.deliver();
  claims = [];
  onCommit = () => {};
  return service;
}

async function submit(service: AssembledWorker, count: number, submission: object): Promise<string[]> {
  const tasks = Array.from({ length: count }, () => submission);
  const response = await service.fetch("/v1/tasks/batch", { body: { tasks } });
  return (await response.json<{ items: { task: { id: string } }[] }>()).items.map((item) => item.task.id);
}

async function ended(ids: string[]): Promise<Record<string, number>> {
  const { results } = await env.DB.prepare(
    "SELECT state || ' in attempt ' || attempt AS how FROM tasks WHERE id IN (SELECT value FROM json_each(?1))",
  )
    .bind(JSON.stringify(ids))
    .all<{ how: string }>();
  return Object.fromEntries([...Map.groupBy(results, ({ how }) => how)].map(([how, of]) => [how, of.length]));
}

describe("an event of a lane whose attempts end quickly", () => {
  it("claims several portions for one turn, and begins the next attempts as others end", async () => {
    stopTime();
    let inProgress = 0;
    let most = 0;
    const service = await quickService((real) => ({
      ...real,
      one: async (attempt) => {
        most = Math.max(most, ++inProgress);
        try {
          return await real.one(attempt);
        } finally {
          inProgress--;
        }
      },
    }));
    const ids = await submit(service, 1_000, { task: "test.noop" });
    await service.deliver();
    expect(await ended(ids)).toEqual({ "succeeded in attempt 1": 1_000 });
    expect(claims.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => MOST));
    expect(claims).toHaveLength(11);
    expect(most).toBe(EACH);
  });

  it("leaves those that cannot begin soon to objects, and claims no more than it runs at once from then on", async () => {
    const gate = Promise.withResolvers<void>();
    let isHeld = false;
    const service = await quickService((real) => ({
      ...real,
      one: async (attempt) => {
        if (isHeld) await gate.promise;
        return real.one(attempt);
      },
    }));
    isHeld = true;
    const ids = await submit(service, MOST, { task: "test.noop" });
    const delivered = service.deliver();
    // All have begun: what waits here was given to objects.
    await expect.poll(() => service.started.length, { interval: 5 }).toBe(1 + MOST);
    isHeld = false;
    gate.resolve();
    await delivered;
    expect(await ended(ids)).toEqual({ [`succeeded in attempt 1`]: MOST });
    expect(claims).toEqual([MOST]);

    claims = [];
    const later = await submit(service, 2 * EACH, { task: "test.noop" });
    await service.deliver();
    expect(await ended(later)).toEqual({ "succeeded in attempt 1": 2 * EACH });
    expect(claims[0]).toBe(EACH);
  });

  it("does not keep many large results in memory", async () => {
    const service = await quickService();
    const ids = await submit(service, MOST, { task: "test.big", input: { bytes: 900_000 } });
    const begun: number[] = [];
    onCommit = () => begun.push(service.started.length - 1);
    await service.deliver();
    expect(begun[0]).toBe(EACH);
    expect(await ended(ids)).toEqual({ "succeeded in attempt 1": MOST });
  });
});

describe("an event of a lane of which nothing is known", () => {
  it("claims what it runs at once, and passes on the other portions of its turn", async () => {
    const service = new AssembledWorker({ database: noted, handlers: slow });
    claims = [];
    const ids = await submit(service, 6 * EACH, { task: "test.noop" });
    await service.deliver();
    expect(await ended(ids)).toEqual({ "succeeded in attempt 1": 6 * EACH });
    expect(claims).toEqual(Array.from({ length: 6 }, () => EACH));
    const turns = service.sent.flat().filter(({ lane }) => lane === "turns-default");
    expect(turns.map(({ body }) => (body as { portions: number }).portions)).toEqual([4, 1, 3, 2, 1]);
  });
});

/** Handlers that take longer than what counts as quick. */
const slow = (real: Handlers): Handlers => ({
  ...real,
  one: async (attempt) => {
    await scheduler.wait(200);
    return real.one(attempt);
  },
});
