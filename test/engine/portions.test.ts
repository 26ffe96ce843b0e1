/** Turns between the tenants of a lane: which comes when, by order and counts; and that no task is lost on the way. */

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isTerminal, type State } from "../../src/core/states.ts";
import { readWeights } from "../../src/core/weights.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { HOLD_MS, turn } from "../../src/results/lanes/portions.ts";
import { enter, leave, type RunningAttempt } from "../../src/worker/running.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { jumpTo, passTime, realTime } from "./passing-time.ts";

beforeEach(async () => {
  passTime();
  // What a test has left queued would be the clock's in the next one.
  await env.DB.batch([env.DB.prepare("DELETE FROM portions"), env.DB.prepare("DELETE FROM tasks")]);
});
afterEach(realTime);

const EACH = 24;

/** Stores queued tasks without a message; answers their ids. */
async function queued(tenant: string, count: number): Promise<string[]> {
  const now = Date.now();
  const tasks = newTaskIds(count).map((id) => {
    const prepared = prepare(env, { task: "test.noop" }, { tenant, traceparent: null }, id, now);
    if (!prepared.ok) throw new Error(prepared.problem.detail);
    return prepared.task;
  });
  await insertTasks(env.DB, tasks);
  return tasks.map((task) => task.id);
}

const taking = (lane: string, most = EACH, except: string[] = []) => ({
  lane,
  most,
  except,
  holder: crypto.randomUUID(),
  now: Date.now(),
});

async function sort(lane: string, ids: string[], weights = {}): Promise<void> {
  await turn(env.DB, taking(lane, 0), { ids, size: EACH, weights });
}

/** Whose tasks the next turn of the lane starts, and how many of each. */
async function next(lane: string, most = EACH, except: string[] = []): Promise<Record<string, number>> {
  const { ids, done } = await turn(env.DB, taking(lane, most, except), null);
  if (done !== null) await done.run();
  const { results } = await env.DB.prepare("SELECT tenant FROM tasks WHERE id IN (SELECT value FROM json_each(?1))")
    .bind(JSON.stringify(ids))
    .all<{ tenant: string }>();
  return Object.fromEntries([...Map.groupBy(results, (row) => row.tenant)].map(([tenant, of]) => [tenant, of.length]));
}

describe("a crowded lane", () => {
  it("has a tenant with one task wait for one portion of another that has thousands", async () => {
    await sort("order", await queued("many", 2_000));
    expect(await next("order")).toEqual({ many: EACH });
    await sort("order", await queued("one", 1));
    expect(await next("order")).toEqual({ many: EACH });
    expect(await next("order")).toMatchObject({ one: 1 });
  });

  it("takes turns between those that have much", async () => {
    const ids = await Promise.all(["a", "b", "c"].map(async (tenant) => queued(tenant, 240)));
    await sort("equal", ids.flat());
    const taken: Record<string, number> = {};
    for (let n = 0; n < 15; n++) {
      for (const [tenant, count] of Object.entries(await next("equal"))) taken[tenant] = (taken[tenant] ?? 0) + count;
    }
    expect(taken).toEqual({ a: 120, b: 120, c: 120 });
  });

  it("gives a tenant of a higher weight more turns", async () => {
    const weights = readWeights('{"heavy": 3, "light": 1}');
    await sort("weights", await queued("light", 480), weights);
    await sort("weights", await queued("heavy", 480), weights);
    const taken: Record<string, number> = { heavy: 0, light: 0 };
    for (let n = 0; n < 16; n++) {
      for (const [tenant, count] of Object.entries(await next("weights"))) taken[tenant]! += count;
    }
    expect(taken).toEqual({ heavy: 12 * EACH, light: 4 * EACH });
  });

  it("starves no tenant, whichever comes again and again with little", async () => {
    await sort("starve", await queued("z-many", 240));
    let many = 0;
    for (let n = 0; n < 10; n++) {
      await sort("starve", await queued("a-often", 1));
      await sort("starve", await queued(`a-new-${n}`, 1));
      many += (await next("starve"))["z-many"] ?? 0;
    }
    expect(many).toBeGreaterThanOrEqual(5 * EACH);
  });

  it("passes over tenants that must wait, and keeps lanes apart", async () => {
    await sort("apart", await queued("full", 48));
    await sort("apart", await queued("other", 2));
    await sort("elsewhere", await queued("third", 3));
    expect(await next("apart", EACH, ["full"])).toEqual({ other: 2 });
    expect(await next("apart", EACH, ["full"])).toEqual({});
    expect(await next("elsewhere")).toEqual({ third: 3 });
  });

  it("gives a portion whose taker has died to another one", async () => {
    await sort("died", await queued("t", 10));
    const taken = await turn(env.DB, taking("died"), null);
    expect(taken.ids).toHaveLength(10);
    expect(await turn(env.DB, taking("died"), null)).toMatchObject({ ids: [], isLeft: true });
    jumpTo(Date.now() + HOLD_MS);
    expect(await next("died")).toEqual({ t: 10 });
    // What the dead one does after all takes nothing away from the other.
    await taken.done!.run();
    expect(await turn(env.DB, taking("died"), null)).toMatchObject({ ids: [], isLeft: false });
  });
});

describe("weights", () => {
  it.each([
    ["", {}],
    ['{"acme": 4, "trial": 0.5}', { acme: 4, trial: 0.5 }],
    ['{"a": 1e9, "b": 1e-9, "c": 0, "d": -1, "e": "2", "f": null}', { a: 100, b: 0.01 }],
    ["[1", {}],
    ["null", {}],
    ["3", {}],
  ])("of %j are %j", (text, weights) => {
    expect(readWeights(text)).toEqual(weights);
  });
});

/** Submits so many tasks of a tenant; their bells wait. */
async function submit(service: AssembledWorker, tenant: string, count: number): Promise<string[]> {
  const { key } = await (
    await service.fetch("/v1/keys", { body: { name: tenant, tenant, scopes: ["submit"] } })
  ).json<{ key: string }>();
  const headers = { authorization: `Bearer ${key}` };
  const tasks = Array.from({ length: count }, () => ({ task: "test.noop" }));
  const response = await service.fetch("/v1/tasks/batch", { body: { tasks }, headers });
  return (await response.json<{ items: { task: { id: string } }[] }>()).items.map((item) => item.task.id);
}

async function statesOf(ids: string[]): Promise<State[]> {
  const { results } = await env.DB.prepare("SELECT state FROM tasks WHERE id IN (SELECT value FROM json_each(?1))")
    .bind(JSON.stringify(ids))
    .all<{ state: State }>();
  return results.map((row) => row.state);
}

async function workOff(service: AssembledWorker, ids: string[]): Promise<void> {
  for (let round = 0; round < 200; round++) {
    await service.deliver();
    if ((await statesOf(ids)).every(isTerminal)) return;
    jumpTo(service.nextTick!);
    await service.tick(Date.now());
  }
  throw new Error("it never ends");
}

/** The place of this task among all starts. */
const placeOf = (service: AssembledWorker, id: string) =>
  service.started.findIndex((start) => start.startsWith(`${id}/`));

const lanesOf = (service: AssembledWorker) => service.sent.flat().map((message) => message.lane);

describe("the consumer", () => {
  it("starts a single task before what another tenant's bells have left", async () => {
    const service = new AssembledWorker();
    const many = await submit(service, "many", 500);
    // The event that gets all of them starts its share.
    await service.deliverTo("lovage-default", service.queued.splice(0));
    expect(service.started).toHaveLength(EACH);
    const [one] = await submit(service, "one", 1);
    await workOff(service, [...many, one!]);
    expect(placeOf(service, one!)).toBe(EACH);
    expect(new Set(service.started).size).toBe(501);
    expect(service.started).toHaveLength(501);
  });

  it("starts it before all but what runs of 5,000 tasks, be the isolate free or full of them", async () => {
    // Of 100 ms each, and as many side by side as a portion has: at most one portion before it is far less than 2 s.
    const service = new AssembledWorker();
    const many: string[] = [];
    for (let n = 0; n < 5; n++) many.push(...(await queued("many", 1_000)));
    await sort("default", many);
    const [first] = await submit(service, "one", 1);
    await service.deliverTo("lovage-default", service.queued.splice(0));
    expect(service.started.map((start) => start.split("/")[0])).toEqual([first]);

    const full = Array.from({ length: 200 }, (_, i) => attemptOf("many", `full-${i}`));
    for (const attempt of full) enter(attempt);
    const [second] = await submit(service, "one", 1);
    const delivered = service.deliverTo("lovage-default", service.queued.splice(0));
    await vi.waitUntil(() => service.started.length > 1, { timeout: 60_000, interval: 5 });
    for (const attempt of full) leave(attempt);
    await delivered;
    expect(service.started.map((start) => start.split("/")[0])).toEqual([first, second]);

    // Sorted in behind all of them, because the event that got its bell had no room for it.
    const third = await queued("one", 1);
    await sort("default", third);
    expect(await next("default")).toEqual({ many: EACH });
    expect(await next("default")).toMatchObject({ one: 1 });
    expect((await statesOf(many)).filter((state) => state === "queued")).toHaveLength(5_000);
  });

  it("starts it after at most one portion, where its bell comes among them", async () => {
    const service = new AssembledWorker();
    const many = await submit(service, "many", 500);
    const [one] = await submit(service, "one", 1);
    await service.deliverTo("lovage-default", service.queued.splice(0));
    const turns = service.queued.splice(0);
    await service.deliverTo("lovage-turns-default", turns.slice(0, 1));
    expect(placeOf(service, one!)).toBeGreaterThanOrEqual(0);
    await service.deliver(turns.slice(1));
    await workOff(service, many);
    expect(service.started).toHaveLength(501);
  });

  it("sends few messages for many tasks, and none but their bells for few", async () => {
    const service = new AssembledWorker();
    await workOff(service, await submit(service, "few", EACH));
    expect(lanesOf(service)).toEqual(["default", "default"]);
    service.sent.length = 0;
    await workOff(service, await submit(service, "crowd", 1_000));
    expect(lanesOf(service).length).toBeLessThanOrEqual(60);
  });

  it("has room for others where one tenant's tasks fill the isolate", async () => {
    const service = new AssembledWorker();
    const full = Array.from({ length: 200 }, (_, i) => attemptOf("many", `full-${i}`));
    for (const attempt of full) enter(attempt);
    const many = await submit(service, "many", 60);
    const [one] = await submit(service, "one", 1);
    const delivered = service.deliverTo("lovage-default", service.queued.splice(0));
    await vi.waitUntil(() => service.started.length > 0, { timeout: 60_000, interval: 5 });
    for (const attempt of full) leave(attempt);
    await delivered;
    expect(service.started.map((start) => start.split("/")[0])).toEqual([one]);
    await workOff(service, many);
    expect(service.started).toHaveLength(61);
  });

  it("loses no task where every turn is lost", async () => {
    const service = new AssembledWorker({
      post: (messages) => messages.filter((message) => !message.lane.startsWith("turns-")),
    });
    const ids = await submit(service, "deaf", 120);
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(ids.map(() => "succeeded"));
    expect(service.started).toHaveLength(120);
  });

  it("loses no task where D1 falls silent between two of its statements", async () => {
    let n = 0;
    const service = new AssembledWorker({
      database: (execute) => async (statements) => {
        const isOurs = statements.some(({ sql }) => /portions/.test(sql));
        // Every third time, before or after it was done.
        if (isOurs && n++ % 3 === 1) {
          if (n % 2) await execute(statements);
          throw new Error("D1_ERROR: the statement is at fault: SQLITE_ERROR");
        }
        return execute(statements);
      },
    });
    const ids = await submit(service, "unlucky", 120);
    await workOff(service, ids);
    expect(await statesOf(ids)).toEqual(ids.map(() => "succeeded"));
    // Those whose claim was made, and its answer lost, have started nothing before they are rescued.
    expect(new Set(service.started).size).toBe(service.started.length);
    expect(n).toBeGreaterThan(5);
  });

  it("sends a turn again that was given back too often", async () => {
    const service = new AssembledWorker();
    const turns = [{ turn: "bulk", portions: 4 }, { turn: "bulk" }, null].map((body) => ({ body }));
    await service.deliverTo("lovage-dead", turns);
    expect(service.sent.flat()).toEqual([
      { lane: "turns-bulk", body: { turn: "bulk", portions: 4 } },
      { lane: "turns-bulk", body: { turn: "bulk", portions: 1 } },
    ]);
  });
});

function attemptOf(tenant: string, id: string): RunningAttempt {
  return {
    id,
    attempt: 1,
    lane: "default",
    tenant,
    share: 1,
    claimedAt: Date.now(),
    leaseMs: null,
    renewAt: Number.MAX_SAFE_INTEGER,
    order: null,
    isWatched: false,
    stopAt: null,
  };
}
