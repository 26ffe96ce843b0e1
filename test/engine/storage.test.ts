/** A database that fills up: what is refused, what goes on, and how it recovers. */

import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { commit } from "../../src/engine/commit.ts";
import { readTask } from "../../src/results/read-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { databaseOver, executeOn, type Execute, type Statement } from "./database-over.ts";
import { hearingEnv } from "./limited-tasks.ts";
import { jumpTo, passTime, realTime } from "./passing-time.ts";
import { claimOne, endOf, newTask, newTenant } from "./webhook-tasks.ts";

const MAX = 1_000_000_000;

/** What D1 tells of its size, as a part of the maximum. */
let part = 0.5;

let calls = 0;

/** Statements that D1 has no room for. */
let isTooMuch: (statement: Statement) => boolean = () => false;

const sized =
  (execute: Execute): Execute =>
  async (statements) => {
    calls++;
    if (statements.some(isTooMuch)) throw new Error("D1_ERROR: Exceeded maximum DB size");
    const results = await execute(statements);
    for (const { meta } of results) meta.size_after = part * MAX;
    return results;
  };

const service = new AssembledWorker({ database: sized });
service.env.D1_MAX_BYTES = String(MAX);

/** Lets the service see how large the database is. */
async function fill(to: number): Promise<void> {
  part = to;
  await service.fetch("/v1/lanes");
}

const noop = { task: "test.noop" };
const post = (body: unknown = noop, headers = {}) => service.fetch("/v1/tasks", { body, headers });
const idOf = async (response: Response) => (await response.json<{ id: string }>()).id;
const taskOf = async (id: string) => (await service.fetch(`/v1/tasks/${id}`)).json<TaskResource>();

/** Runs everything that is due, for some rounds. */
async function work(rounds = 1): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await service.deliver();
    jumpTo(Math.min(service.nextTick ?? Infinity, Date.now() + 6_000));
    await service.tick(Date.now());
    await service.deliver();
  }
}

beforeAll(passTime);
afterAll(realTime);
afterEach(async () => {
  isTooMuch = () => false;
  jumpTo(Date.now() + 6_000);
  await fill(0.5);
  await service.fetch("/health");
});

describe("from 90 % of the maximum on", () => {
  const refused: [string, string, string, unknown][] = [
    ["a task", "POST", "/v1/tasks", noop],
    ["a batch", "POST", "/v1/tasks/batch", { tasks: [noop] }],
    ["a flow", "POST", "/v1/flows", { chain: [noop] }],
    ["a schedule", "PUT", "/v1/schedules/nightly", { ...noop, every: "1d" }],
    ["a webhook", "POST", "/v1/webhooks", { url: "https://example.com/" }],
  ];

  it.each(refused)("%s is refused, and asks D1 for nothing", async (_, method, path, body) => {
    await fill(0.9);
    // Of a schedule is read whether it is so already.
    const reads = path.includes("schedules") ? 1 : 0;
    const before = calls;
    const response = await service.fetch(path, { method, body });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toMatch(/^[3-6]\d$/);
    expect(await response.json()).toMatchObject({ type: "/problems/storage-full", status: 503 });
    expect(calls - before).toBe(reads);
  });

  it("a schedule is not run by hand", async () => {
    await service.fetch("/v1/schedules/by-hand", { method: "PUT", body: { ...noop, every: "1d" } });
    await fill(0.9);
    expect((await service.fetch("/v1/schedules/by-hand/run", { method: "POST" })).status).toBe(503);
  });

  it("what was accepted goes on, is cancelled, run again and removed", async () => {
    const ids = await Promise.all(Array.from({ length: 3 }, async () => idOf(await post())));
    const parent = await idOf(
      await post({ task: "test.spawn", input: { task: "test.add", input: { x: 1, y: 2 }, n: 2 } }),
    );
    const later = await idOf(await post({ ...noop, options: { delay: "1h" } }));
    const failing = await idOf(await post({ task: "test.fail", input: { message: "no", retryable: false } }));
    await fill(0.95);
    await work(4);
    for (const id of ids) expect(await taskOf(id)).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(await taskOf(parent)).toMatchObject({ state: "succeeded", result: [3, 3] });
    expect((await service.fetch(`/v1/tasks/${later}/cancel`, { method: "POST" })).status).toBe(200);
    expect((await service.fetch(`/v1/tasks/${failing}/retry`, { method: "POST" })).status).toBe(202);
    expect((await service.fetch(`/v1/tasks/${ids[0]}`, { method: "DELETE" })).status).toBe(204);
  });

  it("a request that was accepted before is answered again with what it made", async () => {
    const headers = { "idempotency-key": crypto.randomUUID() };
    const id = await idOf(await post(noop, headers));
    await fill(0.95);
    const again = await post(noop, headers);
    expect([again.status, await idOf(again)]).toEqual([202, id]);
    expect((await post(noop, { "idempotency-key": crypto.randomUUID() })).status).toBe(503);
  });

  it("the service recovers by itself, a little below, with one question in five seconds", async () => {
    await fill(0.93);
    part = 0.89;
    jumpTo(Date.now() + 5_000);
    const before = calls;
    expect((await Promise.all(Array.from({ length: 20 }, () => post()))).every(({ status }) => status === 503)).toBe(
      true,
    );
    expect(calls - before).toBe(1);
    // Between the two marks it goes on refusing.
    jumpTo(Date.now() + 5_000);
    expect((await post()).status).toBe(503);
    part = 0.87;
    expect((await post()).status).toBe(503);
    jumpTo(Date.now() + 5_000);
    expect((await post()).status).toBe(202);
    // … and the other way it accepts up to the upper one.
    await fill(0.89);
    expect((await post()).status).toBe(202);
  });

  it("health and metrics say so", async () => {
    await fill(0.5);
    const { checks } = await (await service.fetch("/health")).json<{ checks: { database: unknown } }>();
    expect(checks.database).toEqual({ ok: true, sizeBytes: 0.5 * MAX, maxBytes: MAX, accepts: true });
    part = 0.92;
    // What was found is told again for a second.
    jumpTo(Date.now() + 1_000);
    const full = await (await service.fetch("/health")).json<{ checks: { database: unknown } }>();
    expect(full.checks.database).toMatchObject({ ok: true, sizeBytes: 0.92 * MAX, accepts: false });
  });
});

describe("from 97 % on", () => {
  it("children wait, and use up no attempt of their parent", async () => {
    const parent = await idOf(
      await post({
        task: "test.spawn",
        input: { task: "test.add", input: { x: 1, y: 2 }, n: 3 },
        options: { maxAttempts: 1 },
      }),
    );
    await fill(0.97);
    await work(3);
    expect((await taskOf(parent)).state).toMatch(/^(waiting|queued)$/);
    await fill(0.8);
    await work(6);
    expect(await taskOf(parent)).toMatchObject({ state: "succeeded", result: [3, 3, 3] });
  });

  it("ticks of schedules wait, and the last one is made up for", async () => {
    await service.fetch("/v1/schedules/minutely", { method: "PUT", body: { ...noop, every: "1m" } });
    const made = async () => {
      const answer = await service.fetch("/v1/tasks?tag.schedule=minutely");
      return (await answer.json<{ items: unknown[] }>()).items.length;
    };
    await fill(0.97);
    jumpTo(Date.now() + 150_000);
    await service.tick(Date.now());
    expect(await made()).toBe(0);
    await fill(0.96);
    await service.tick(Date.now());
    expect(await made()).toBe(1);
    await service.fetch("/v1/schedules/minutely", { method: "DELETE" });
  });

  it("signals are refused", async () => {
    const id = await idOf(await post({ task: "test.signal", input: { name: "go" } }));
    await fill(0.97);
    expect((await service.fetch(`/v1/tasks/${id}/signals/go`, { body: {} })).status).toBe(503);
    await fill(0.96);
    expect((await service.fetch(`/v1/tasks/${id}/signals/go`, { body: {} })).status).toBe(202);
  });
});

describe("a full database", () => {
  const isCommit = ({ sql }: Statement) => sql.includes("history = json_insert");
  const isLong = ({ params }: Statement) => params.some((param) => typeof param === "string" && param.length > 4_000);

  /** Ends of claimed tasks; the first has a long result. */
  async function endsOf(results: string[]) {
    const tasks = results.map(() => newTask(newTenant()));
    await insertTasks(env.DB, tasks);
    const claimed = await Promise.all(tasks.map(({ id }) => claimOne(env.DB, id)));
    const ends = claimed.map((task, i) => endOf(task, { outcome: "succeeded", result: JSON.stringify(results[i]) }));
    return { tasks, ends };
  }
  const db = databaseOver(sized(executeOn(env.DB)));
  const bindings = { ...hearingEnv().env, DB: db };

  it("is offered a result again, for purge makes room", async () => {
    const { tasks, ends } = await endsOf(["x".repeat(5_000)]);
    isTooMuch = (statement) => isCommit(statement) && isLong(statement);
    await expect(commit(bindings, ends)).rejects.toThrow("Exceeded maximum DB size");
    expect(await readTask(env.DB, tasks[0]!.tenant, tasks[0]!.id)).toMatchObject({ state: "running" });
    isTooMuch = () => false;
    expect(await commit(bindings, ends)).toMatchObject([{ state: "succeeded" }]);
  });

  it("that stays full fails the task that it cannot keep the result of, and no other", async () => {
    const { tasks, ends } = await endsOf(["x".repeat(5_000), "short"]);
    isTooMuch = (statement) => isCommit(statement) && isLong(statement);
    await expect(commit(bindings, ends)).rejects.toThrow("Exceeded maximum DB size");
    jumpTo(Date.now() + 9_000);
    expect((await commit(bindings, ends)).map(({ state }) => state).toSorted()).toEqual(["failed", "succeeded"]);
    const [failed, kept] = await Promise.all(tasks.map(({ tenant, id }) => readTask(env.DB, tenant, id)));
    expect(JSON.parse(failed!.error!)).toMatchObject({
      type: "storage_full",
      message: expect.stringContaining("5002"),
    });
    expect(kept).toMatchObject({ state: "succeeded", result: '"short"', error: null });
  });

  it("runs no handler twice for want of room", async () => {
    const id = await idOf(await post({ task: "test.big", input: { bytes: 6_000 } }));
    isTooMuch = (statement) => {
      const refused = isCommit(statement) && isLong(statement);
      if (refused) jumpTo(Date.now() + 1_000);
      return refused;
    };
    await work(2);
    expect(await taskOf(id)).toMatchObject({ state: "failed", attempt: 1, error: { type: "storage_full" } });
    expect(service.started.filter((started) => started.startsWith(id))).toEqual([`${id}/1`]);
  });

  it("is purged though it takes nothing else", async () => {
    const id = await idOf(await post({ ...noop, options: { retention: "1s" } }));
    await service.deliver();
    const waits = await idOf(await post({ ...noop, options: { delay: "1s" } }));
    jumpTo(Date.now() + 60_000);
    isTooMuch = ({ sql }) => /^\s*(INSERT|UPDATE)/.test(sql);
    await service.tick(Date.now()).catch(() => undefined);
    expect(await env.DB.prepare("SELECT 1 FROM tasks WHERE id = ?1").bind(id).first()).toBeNull();
    expect(await taskOf(waits)).toMatchObject({ state: "scheduled" });
    isTooMuch = () => false;
    await work(2);
    expect(await taskOf(waits)).toMatchObject({ state: "succeeded" });
  });

  it("that D1 tells of before any size does is a 503 at once", async () => {
    isTooMuch = ({ sql }) => sql.includes("INSERT INTO tasks");
    const before = calls;
    const response = await post();
    expect([response.status, calls - before]).toEqual([503, 1]);
    expect(await response.json()).toMatchObject({ type: "/problems/storage-full" });
  });
});
