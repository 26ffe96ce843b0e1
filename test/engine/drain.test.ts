/** A drain and a submit at once: what is refused was not stored, what was stored is not refused, whatever is repeated. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { drainsAmong, holdLane, readLanes, resumeLane } from "../../src/results/lanes/lanes.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { storeShared } from "../../src/results/shared-tasks.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import type { RequestKey } from "../../src/engine/request-key.ts";
import { submit } from "../../src/engine/submit.ts";
import { submitFlow } from "../../src/engine/flows/submit.ts";
import { databaseOver, executeOn } from "./database-over.ts";
import { newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

const now = Date.now();

const background = { waitUntil: () => {} };

beforeEach(() => resumeLane(env.DB, "bulk"));

const drain = (until: number | null = null) => holdLane(env.DB, "draining", { name: "bulk", reason: null, until }, now);

const real = executeOn(env.DB);

/** The service, whose lane begins to drain just before its n-th call to D1. */
function drainedAtCall(n: number): Env {
  let calls = 0;
  return quietEnv(
    databaseOver(async (statements) => {
      if (++calls === n) await drain();
      return real(statements);
    }),
  );
}

const count = async (table: "tasks" | "idempotency" | "flows" | "payloads") =>
  env.DB.prepare(`SELECT COUNT(*) AS n FROM ${table}`).first<number>("n");

describe("new work", () => {
  it("is refused task by task, and stays stored where the call is repeated after the lane began to drain", async () => {
    const [bulk, other] = [newTask(newTenant(), { lane: "bulk" }), newTask(newTenant())];
    expect((await insertTasks(env.DB, [bulk, other])).refused.size).toBe(0);
    await drain();
    const late = newTask(newTenant(), { lane: "bulk" });
    const { refused } = await insertTasks(env.DB, [bulk, other, late]);
    expect([...refused]).toEqual([[late.id, { name: "bulk", reason: null, until: null }]]);
    expect((await readTasks(env.DB, [bulk.id, other.id, late.id])).map((row) => row.id).toSorted()).toEqual(
      [bulk.id, other.id].toSorted(),
    );
  });

  it("is stored where the lane accepts again by the time that its refusal is looked at", async () => {
    let calls = 0;
    const opening = databaseOver(async (statements) => {
      await (++calls === 1 ? drain() : resumeLane(env.DB, "bulk"));
      return real(statements);
    });
    const task = newTask(newTenant(), { lane: "bulk" });
    expect((await insertTasks(opening, [task])).refused.size).toBe(0);
    expect(await readTasks(env.DB, [task.id])).toHaveLength(1);
    expect(calls).toBe(2);
  });

  it("leaves no large input behind", async () => {
    await drain();
    const before = await count("payloads");
    const large = { ...newTask(newTenant(), { lane: "bulk" }), input: JSON.stringify("x".repeat(50_000)) };
    expect((await insertTasks(env.DB, [large])).refused.size).toBe(1);
    expect(await count("payloads")).toBe(before);
  });

  it("is accepted from the very moment at which the drain ends", async () => {
    await drain(now + 1_000);
    const at = (createdAt: number) => ({ ...newTask(newTenant(), { lane: "bulk" }), createdAt });
    expect((await insertTasks(env.DB, [at(now + 999)])).refused.size).toBe(1);
    expect((await insertTasks(env.DB, [at(now + 1_000)])).refused.size).toBe(0);
    const lanes = await readLanes(env.DB);
    expect(drainsAmong(lanes, now + 999)).toHaveLength(1);
    expect(drainsAmong(lanes, now + 1_000)).toEqual([]);
  });

  it("that a task stands for which was accepted is answered with that", async () => {
    const tenant = newTenant();
    const share = { kind: "cache", key: "input", ms: 60_000 } as const;
    const [first, second] = [newTask(tenant, { lane: "bulk" }), newTask(tenant, { lane: "bulk" })];
    expect(await storeShared(env.DB, first, share, now)).toBe(first.id);
    await drain();
    expect(await storeShared(env.DB, second, share, now)).toBe(first.id);
    expect(await storeShared(env.DB, second, { ...share, key: "another" }, now)).toBeNull();
    expect(await readTasks(env.DB, [second.id])).toEqual([]);
  });
});

describe("a submit with a key, whose lane begins to drain while it is on its way", () => {
  const items = (tenant: string, ...bodies: object[]) =>
    bodies.map((body, i) => prepare(env, body, { tenant, traceparent: null }, newTaskIds(2)[i]!, now));
  const request = (tenant: string): RequestKey => ({ tenant, key: "key", fingerprint: "same" });
  const bulk = { task: "test.noop", options: { lane: "bulk" } };

  it.each([
    ["alone, stores nothing, and its key is free", [bulk], [false], 0],
    ["in a batch, sinks none of the others", [{ task: "test.noop" }, bulk], [true, false], 1],
    ["beside a shared one, too", [{ task: "test.cached", input: { value: 1 } }, bulk], [true, false], 1],
  ])("%s", async (_, bodies, fates, keys) => {
    const tenant = newTenant();
    const [tasks, claimed] = [await count("tasks"), await count("idempotency")];
    const { items: done } = await submit(drainedAtCall(1), background, items(tenant, ...bodies), request(tenant), now);
    expect(done.map((item) => item.ok)).toEqual(fates);
    expect(done.flatMap((item) => (item.ok ? [] : [item.problem.name]))).toEqual(["lane-draining"]);
    expect(await count("tasks")).toBe(tasks! + fates.filter(Boolean).length);
    expect(await count("idempotency")).toBe(claimed! + keys);
  });

  it("as a flow, stores nothing of it, and its key is free", async () => {
    const tenant = newTenant();
    const before = await Promise.all([count("tasks"), count("idempotency"), count("flows")]);
    const origin = { tenant, traceparent: null };
    const graph = { group: [{ task: "test.noop" }, bulk] };
    await expect(submitFlow(drainedAtCall(1), background, graph, origin, request(tenant), now)).rejects.toMatchObject({
      problem: { name: "lane-draining" },
    });
    await expect(submitFlow(drainedAtCall(1), background, graph, origin, null, now)).rejects.toMatchObject({
      problem: { name: "lane-draining" },
    });
    expect(await Promise.all([count("tasks"), count("idempotency"), count("flows")])).toEqual(before);
  });
});
