/** A flow has the longest retention of its tasks and is purged as a whole. Time is virtual. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Suspects } from "../../src/clock/suspects.ts";
import { tick, type Allowance } from "../../src/clock/tick.ts";
import { DEFAULT_RETENTION_MS } from "../../src/core/bounds.ts";
import { deleteEnded, deleteFlow } from "../../src/engine/delete.ts";
import { retryFlow } from "../../src/engine/flows/control.ts";
import { retry } from "../../src/engine/retry.ts";
import { readFlow } from "../../src/results/flows/flows.ts";
import { countRows } from "./count-rows.ts";
import { failed, flowOf, newFlow, play, statesOf, succeeded, workerOn } from "./flow-tasks.ts";
import { newWebhook, quietEnv } from "./webhook-tasks.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 86_400_000;

const noop = { task: "test.noop" };
const kept = (retention: string) => ({ ...noop, options: { retention } });
const background = { waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined) };

let now: number;

beforeEach(async () => {
  const tables = ["tasks", "payloads", "flows", "outbox", "webhooks", "deliveries"];
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)));
  now = Math.ceil(Date.now() / MINUTE) * MINUTE;
  vi.spyOn(Date, "now").mockImplementation(() => now);
  return () => void vi.restoreAllMocks();
});

/** A clock that remembers what it must, and counts its ticks. */
function newClock(allowance: Allowance = {}) {
  const memory = new Map<string, unknown>();
  const kv = {
    get: (key: string) => memory.get(key),
    put: (key: string, value: unknown) => void memory.set(key, value),
  } as unknown as SyncKvStorage;
  const suspects = new Suspects();
  const CLOCK = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
  let next: number | null = now;
  const clock = {
    ticks: 0,
    async ring(db = env.DB) {
      clock.ticks++;
      next = await tick({ ...quietEnv(db), CLOCK }, kv, now, suspects, { stopwatch: () => 0, ...allowance });
      return next;
    },
    /** Ticks whenever it is time, until then. */
    async ringUntil(at: number) {
      while (next !== null && next <= at) {
        now = Math.max(now, next);
        await clock.ring();
      }
      now = at;
      next = await clock.ring();
    },
  };
  return clock;
}

const countOf = async (rows: string) => (await env.DB.prepare(`SELECT COUNT(*) AS n FROM ${rows}`).first<number>("n"))!;
const left = async () => ({ flows: await countOf("flows"), tasks: await countOf("tasks") });
const idsOf = async (id: string) => (await flowOf(id)).nodes.map(({ task }) => task.id);
const rowOf = async (id: string) => (await readFlow(env.DB, "default", id))!;
const remove = (id: string) => env.DB.prepare("DELETE FROM tasks WHERE id = ?1").bind(id).run();

async function playAll(id: string, keys: string[]): Promise<void> {
  for (const key of keys) await play(id, key, succeeded(key));
}

describe("a flow that has ended", () => {
  it("is kept for the longest retention of its tasks, and then purged as a whole", async () => {
    const clock = newClock();
    const id = await newFlow({ group: [kept("1s"), kept("10m")], onError: kept("20m") });
    await playAll(id, ["0", "1"]);
    const { retainUntil, nodes } = await flowOf(id);
    expect(retainUntil).toBe(new Date(now + 20 * MINUTE).toISOString());
    expect(nodes.map(({ task }) => task.retainUntil)).toEqual([retainUntil, retainUntil]);
    await clock.ringUntil(now + 19 * MINUTE);
    expect(await flowOf(id)).toMatchObject({ state: "succeeded", result: ["0", "1"] });
    await clock.ringUntil(now + 2 * MINUTE);
    expect(await left()).toEqual({ flows: 0, tasks: 0 });
  });

  it("is gone within a minute, all of it in one transaction, however long before the others some of it had ended", async () => {
    const clock = newClock();
    const id = await newFlow({ chain: [kept("1m"), kept("1m"), kept("1m")] });
    const begun = now;
    for (const key of ["0", "1", "2"]) {
      await play(id, key, succeeded(key));
      await clock.ringUntil(now + 10 * MINUTE);
    }
    // The last one is purged with the others: they have waited for it for 20 minutes.
    expect(await left()).toEqual({ flows: 0, tasks: 0 });
    // Not for each of its members every 30 s: one timer for all of them.
    expect(clock.ticks).toBeLessThan(60);
    expect(now).toBe(begun + 30 * MINUTE);
  });

  it("with the default retention is met by the walk, and waits for its end, not for those of its tasks", async () => {
    const clock = newClock();
    const id = await newFlow({ chain: [noop, noop] });
    await play(id, "0", succeeded("0"));
    now += DAY;
    await play(id, "1", succeeded("1"));
    const until = now + DEFAULT_RETENTION_MS;
    await clock.ringUntil(until - 1);
    expect(await flowOf(id)).toMatchObject({ result: "1" });
    await clock.ringUntil(until + MINUTE);
    expect(await left()).toEqual({ flows: 0, tasks: 0 });
  });

  it("lives on where it runs again, and is kept anew from its next end", async () => {
    const clock = newClock();
    const id = await newFlow({ chain: [kept("1m"), kept("1m")] });
    await play(id, "0", succeeded("0"));
    await play(id, "1", failed);
    now += 50 * SECOND;
    await retryFlow(quietEnv(), background, await rowOf(id), null, now);
    expect(await flowOf(id)).toMatchObject({ state: "running", retainUntil: null });
    await clock.ringUntil(now + 5 * MINUTE);
    await play(id, "1", succeeded("1"));
    await clock.ringUntil(now + 50 * SECOND);
    expect(await flowOf(id)).toMatchObject({ state: "succeeded", result: "1" });
    await clock.ringUntil(now + MINUTE);
    expect(await left()).toEqual({ flows: 0, tasks: 0 });
  });

  it("without tasks is forgotten after the default retention", async () => {
    const clock = newClock();
    const id = await newFlow({ group: [] });
    expect(await flowOf(id)).toMatchObject({ state: "succeeded", result: [] });
    await clock.ringUntil(now + DEFAULT_RETENTION_MS - MINUTE);
    expect(await countOf("flows")).toBe(1);
    now += 2 * MINUTE;
    await clock.ring();
    expect(await countOf("flows")).toBe(0);
  });

  it("without tasks can be removed before", async () => {
    const id = await newFlow({ group: [] });
    expect(await deleteFlow(quietEnv(), id)).toEqual({ tasks: 0 });
    expect(await countOf("flows")).toBe(0);
  });

  it("leaves no payload, not even one of an earlier run", async () => {
    const clock = newClock();
    const large = "x".repeat(20_000);
    const id = await newFlow({ chain: [{ ...kept("1s"), input: large }, kept("1s")] });
    await play(id, "0", succeeded(large));
    await play(id, "1", succeeded(large));
    const [first] = await idsOf(id);
    await retryFlow(quietEnv(), background, await rowOf(id), first!, now);
    await playAll(id, ["0", "1"]);
    await clock.ringUntil(now + MINUTE);
    expect({ ...(await left()), payloads: await countOf("payloads") }).toEqual({ flows: 0, tasks: 0, payloads: 0 });
  });

  it("waits until webhooks have been told of each of its tasks", async () => {
    await newWebhook("default");
    const id = await newFlow({ group: [kept("1s"), kept("1s")] });
    await playAll(id, ["0", "1"]);
    expect(await countOf("outbox")).toBe(2);
    expect(await deleteFlow(quietEnv(), id)).toEqual({ tasks: 2 });
    expect(await countOf("outbox")).toBe(0);
    expect(await countOf("tasks WHERE task = 'lovage.webhook'")).toBe(2);
  });

  it("loses no task to a delete, one by one or all at once", async () => {
    const id = await newFlow({ group: [noop, noop] });
    await playAll(id, ["0", "1"]);
    const ids = await idsOf(id);
    expect(await deleteEnded(quietEnv(), ids)).toBe(0);
    expect(await flowOf(id)).toMatchObject({ result: ["0", "1"] });
    expect(await deleteFlow(quietEnv(), id)).toEqual({ tasks: 2 });
    expect(await deleteFlow(quietEnv(), id)).toBe("stays");
  });
});

describe("a purge of flows", () => {
  const SIZE = 30;
  const FLOWS = 10;

  it("takes so many tasks at a time, and goes on at once", async () => {
    const clock = newClock({ budget: { statements: 800, rows: 50, chunk: 100 } });
    for (let i = 0; i < FLOWS; i++) {
      const id = await newFlow({ group: Array.from({ length: SIZE }, () => kept("1s")) });
      const claimed = await workerOn().claim(await idsOf(id), now);
      await workerOn().end(claimed, () => succeeded(1), now);
    }
    now += MINUTE;
    const seen: number[] = [];
    do seen.push((await left()).tasks);
    while ((await clock.ring()) === now);
    // Each time whole flows, and in a tick at most five times a chunk.
    expect(seen.every((tasks) => tasks % SIZE === 0)).toBe(true);
    expect(seen.every((tasks, i) => i === 0 || seen[i - 1]! - tasks <= 500)).toBe(true);
    expect(await left()).toEqual({ flows: 0, tasks: 0 });
  });

  it("takes one that is larger, and writes a row for each of its tasks, and one for itself", async () => {
    const clock = newClock({ budget: { statements: 800, rows: 50, chunk: 100 } });
    const id = await newFlow({ group: Array.from({ length: 300 }, () => kept("1s")) });
    const claimed = await workerOn().claim(await idsOf(id), now);
    await workerOn().end(claimed, () => succeeded(1), now);
    now += MINUTE;
    const { db, written } = countRows(env.DB);
    await clock.ring(db);
    expect(await left()).toEqual({ flows: 0, tasks: 0 });
    // What else a tick writes, and D1 counts a deleted row once, whatever indexes it is in.
    expect(written()).toBeLessThanOrEqual(300 + 1 + 20);
  });
});

/** What an earlier release has left: it purged members one by one, and noted no retention of flows. */
describe("a flow of which a task is gone", () => {
  it("says so in the place of its result", async () => {
    const id = await newFlow({ group: [noop, noop] });
    await playAll(id, ["0", "1"]);
    const [first] = await idsOf(id);
    await remove(first!);
    expect(await flowOf(id)).toMatchObject({
      state: "succeeded",
      result: null,
      error: { type: "ValueGoneError", message: expect.stringContaining("gone"), data: { taskIds: [first] } },
    });
  });

  it("says so where the failure of the task would have been ignored", async () => {
    const id = await newFlow({ dag: { a: { node: noop, onFailure: "ignore" }, b: { node: noop } } });
    await playAll(id, ["a", "b"]);
    await remove((await flowOf(id)).nodes.find(({ key }) => key === "a")!.task.id);
    expect(await flowOf(id)).toMatchObject({ result: null, error: { type: "ValueGoneError" } });
  });

  it("does not run again, as a whole, from a node, or by one of its tasks", async () => {
    const id = await newFlow({ chord: { header: [noop, noop], body: noop } });
    await play(id, "header.0", failed);
    await play(id, "header.1", succeeded("ok"));
    const [first, , body] = await idsOf(id);
    await remove(first!);
    expect(await retryFlow(quietEnv(), background, await rowOf(id), null, now)).toBe(0);
    expect(await retryFlow(quietEnv(), background, await rowOf(id), body!, now)).toBe(0);
    expect(await retry(quietEnv(), background, [body!], null, now)).toEqual([]);
    expect((await flowOf(id)).state).toBe("failed");
  });

  it("does not run again by a task before the one that is gone", async () => {
    const id = await newFlow({ chain: [noop, noop] });
    await play(id, "0", failed);
    const [first, second] = await idsOf(id);
    await remove(second!);
    expect(await retry(quietEnv(), background, [first!], null, now)).toEqual([]);
  });

  it("and that runs comes to its end: a task that needs the value fails, and says why", async () => {
    const id = await newFlow({ chord: { header: [noop, noop], body: noop } });
    await play(id, "header.0", succeeded("lost"));
    const [first, , body] = await idsOf(id);
    await remove(first!);
    await play(id, "header.1", succeeded("ok"));
    expect(statesOf(await flowOf(id))).toMatchObject({ body: "queued" });
    const [claimed] = await workerOn().claim([body!]);
    const { givenTo } = await import("../../src/worker/endings.ts");
    const { findTask } = await import("../../src/engine/registry.ts");
    const given = await givenTo(quietEnv(), findTask("test.noop", env)!, claimed!);
    expect(given).toMatchObject({ success: false, ending: { retryable: false, error: { type: "ValueGoneError" } } });
    if (!given.success) await workerOn().end([claimed!], () => given.ending);
    expect(await flowOf(id)).toMatchObject({ state: "failed", error: { type: "FlowFailedError" } });
  });

  it("goes at the end of its longest retention, though that is noted nowhere", async () => {
    const clock = newClock();
    const id = await newFlow({ group: [kept("5m"), kept("5m")] });
    await playAll(id, ["0", "1"]);
    const [first] = await idsOf(id);
    await env.DB.prepare("UPDATE flows SET retain_until = NULL").run();
    await env.DB.prepare("UPDATE tasks SET retain_until = ?2, due_at = ?2 WHERE id = ?1")
      .bind(first, now + SECOND)
      .run();
    await clock.ringUntil(now + 4 * MINUTE);
    expect(await left()).toEqual({ flows: 1, tasks: 2 });
    await clock.ringUntil(now + 2 * MINUTE);
    expect(await left()).toEqual({ flows: 0, tasks: 0 });
  });
});
