/** A task is changed, paused and started by hand until it starts, and not a moment longer. */

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { NO_START } from "../../src/core/settle.ts";
import { wake } from "../../src/core/wake.ts";
import { timeline } from "../../src/core/timeline.ts";
import { auditOf, systemActor } from "../../src/engine/audit.ts";
import { presentTask } from "../../src/engine/present.ts";
import type { Audit } from "../../src/results/audit.ts";
import { changeTask, type TaskChange } from "../../src/results/change-tasks.ts";
import { readDue } from "../../src/results/due-tasks.ts";
import { startTasks } from "../../src/results/start-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readInput } from "../../src/results/claim-tasks.ts";
import { livedOf } from "../../src/results/task-row.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import type { NewInput } from "../../src/results/retry-tasks.ts";
import { databaseOver, executeOn } from "./database-over.ts";
import { flowOf, newFlow, play, succeeded } from "./flow-tasks.ts";
import { claimIds, disagreements, insertLimited, limitedTask, newKey } from "./limited-tasks.ts";
import { claimOne, newTask, newTenant } from "./webhook-tasks.ts";

const HOUR = 3_600_000;

const entry = (id: string): Audit =>
  auditOf(systemActor("test"), "task.change", { tenant: "t", target: id }, Date.now());

async function entriesOf(id: string): Promise<number> {
  return (await env.DB.prepare("SELECT COUNT(*) AS n FROM audit WHERE target = ?1").bind(id).first<number>("n"))!;
}

async function store(options: Parameters<typeof newTask>[1] = { delay: "1h" }): Promise<string> {
  const task = newTask(newTenant(), options);
  await insertTasks(env.DB, [task]);
  return task.id;
}

const rowOf = async (id: string) => (await readTasks(env.DB, [id]))[0]!;

const change = async (id: string, wanted: TaskChange, input: NewInput | null = null, now = Date.now(), db = env.DB) =>
  changeTask(db, id, wanted, input, now, entry(id));

describe("a task that has not started", () => {
  it("takes other times, another lane and other tags, each with one entry in the audit log", async () => {
    const id = await store();
    const now = Date.now();
    expect(await change(id, { runAt: now + 2 * HOUR, tags: '{"a":"b"}', maxAttempts: 7 }, null, now)).toMatchObject({
      state: "scheduled",
      dueAt: now + 2 * HOUR,
    });
    expect(await rowOf(id)).toMatchObject({
      runAt: now + 2 * HOUR,
      tags: '{"a":"b"}',
      maxAttempts: 7,
      lane: "default",
    });
    expect(await change(id, { expiresAt: now + 3 * HOUR, lane: "bulk", tags: null })).toMatchObject({ lane: "bulk" });
    expect(await rowOf(id)).toMatchObject({ expiresAt: now + 3 * HOUR, tags: null, dueAt: now + 2 * HOUR });
    // The same as a start by hand.
    expect(await change(id, { runAt: now, paused: false }, null, now)).toMatchObject({ state: "queued" });
    expect(await entriesOf(id)).toBe(3);
    // And back again.
    expect(await change(id, { runAt: now + HOUR }, null, now)).toMatchObject({ state: "scheduled", dueAt: now + HOUR });
    expect(await claimIds([id])).toEqual([]);
  });

  it("keeps its timer where nothing of its start changes", async () => {
    const id = await store({});
    const { dueAt, state } = await rowOf(id);
    await change(id, { tags: '{"a":"b"}', maxAttempts: 2 }, null, Date.now() + HOUR);
    expect(await rowOf(id)).toMatchObject({ dueAt, state, tags: '{"a":"b"}', maxAttempts: 2 });
  });

  it("takes no expiry before its start", async () => {
    const id = await store();
    const before = await rowOf(id);
    expect(await change(id, { expiresAt: Date.now() + HOUR / 2 })).toBeNull();
    expect(await rowOf(id)).toEqual(before);
    expect(await entriesOf(id)).toBe(0);
  });

  it("is changed once, and says so, where the answer is lost", async () => {
    const id = await store();
    let lost = false;
    const db = databaseOver(async (statements) => {
      const results = await executeOn(env.DB)(statements);
      if (lost) return results;
      lost = true;
      // Meanwhile it has started.
      await claimOne(env.DB, id);
      throw new Error("Network connection lost.");
    });
    expect(await change(id, { runAt: Date.now() }, null, Date.now(), db)).toMatchObject({ state: "running" });
    expect(await entriesOf(id)).toBe(1);
  });
});

describe("a task that has started", () => {
  it("stays as it is, whatever became of it", async () => {
    const id = await store({});
    await claimOne(env.DB, id);
    const before = await rowOf(id);
    for (const wanted of [{ runAt: 1 }, { lane: "bulk" }, { tags: null }, { paused: true }, { paused: false }]) {
      expect(await change(id, wanted)).toBeNull();
    }
    const none = { text: "1", concurrency: null, rates: null };
    expect(await change(id, {}, none)).toBeNull();
    expect(await rowOf(id)).toEqual(before);
    await env.DB.prepare("UPDATE tasks SET state = 'retrying' WHERE id = ?1").bind(id).run();
    expect(await change(id, { runAt: 1 })).toBeNull();
    expect(await entriesOf(id)).toBe(0);
  });
});

describe("a paused task", () => {
  it("is started by no clock, expires, and goes on when it is resumed", async () => {
    const id = await store({ delay: 1_000, expiresIn: "1h" });
    const { runAt, expiresAt } = await rowOf(id);
    expect(await change(id, { paused: true })).toMatchObject({ state: "scheduled", dueAt: expiresAt });
    expect(await change(id, { paused: true })).toBeNull();
    expect(presentTask(await rowOf(id))).toHaveProperty("pausedAt");
    const late = runAt + HOUR / 2;
    await startTasks(env.DB, [id], late);
    expect(await rowOf(id)).toMatchObject({ state: "scheduled", runAt });
    // As a debounced submission would set it.
    await env.DB.prepare("UPDATE tasks SET due_at = ?2 WHERE id = ?1").bind(id, runAt).run();
    const [due] = (await readDue(env.DB, late, 1_000)).filter((row) => row.id === id);
    expect(wake(due!, late)).toEqual({ do: "postpone", dueAt: expiresAt });
    expect(wake(due!, expiresAt!)).toEqual({ do: "expire" });
    expect(await change(id, { paused: false }, null, late)).toMatchObject({ state: "queued" });
    expect(await rowOf(id)).toMatchObject({ runAt: late, pausedAt: null });
    expect(presentTask(await rowOf(id))).not.toHaveProperty("pausedAt");
    expect(await claimIds([id], late)).toEqual([id]);
  });

  it("that was queued leaves the queue, and one that starts later keeps its time", async () => {
    const [queued, later] = [await store({}), await store({ delay: "1h" })];
    const { runAt } = await rowOf(later);
    for (const id of [queued, later]) await change(id, { paused: true });
    expect(await claimIds([queued, later])).toEqual([]);
    expect(await rowOf(queued)).toMatchObject({ state: "scheduled", dueAt: NO_START });
    for (const id of [queued, later]) await change(id, { paused: false });
    expect(await rowOf(later)).toMatchObject({ state: "scheduled", runAt, dueAt: runAt });
    expect(await claimIds([queued, later])).toEqual([queued]);
  });

  it("that was queued tells it with greater numbers, and what was told keeps its number and its time", async () => {
    const id = await store({});
    const told = new Map<number, string>();
    const look = async () => {
      const fresh = timeline(livedOf(await rowOf(id))).filter(({ seq, ...moment }) => {
        expect(told.get(seq) ?? JSON.stringify(moment)).toBe(JSON.stringify(moment));
        return !told.has(seq);
      });
      for (const { seq, ...moment } of fresh) {
        expect(seq).toBeGreaterThan(Math.max(0, ...told.keys()));
        told.set(seq, JSON.stringify(moment));
      }
      return fresh.map(({ data }) => data.state);
    };
    let now = Date.now();
    const next = async (wanted: TaskChange) => {
      await change(id, wanted, null, (now += 1_000));
      return look();
    };
    expect(await look()).toEqual(["queued"]);
    expect(await next({ runAt: now })).toEqual([]);
    expect(await next({ paused: true })).toEqual(["scheduled"]);
    expect(await next({ paused: false })).toEqual(["queued"]);
    expect(await next({ runAt: now + HOUR })).toEqual(["scheduled"]);
    expect(await next({ runAt: now + 2 * HOUR })).toEqual([]);
    expect(await next({ runAt: now, paused: false })).toEqual(["queued"]);
    expect(await claimIds([id], now)).toEqual([id]);
    expect(await look()).toEqual(["running"]);
  });

  it("that begins anew at a step still begins there", async () => {
    const id = await store({});
    await env.DB.prepare(
      `UPDATE tasks SET run = 2, attempt = 1, options = '{"from":{"run":2,"before":3}}' WHERE id = ?1`,
    )
      .bind(id)
      .run();
    await change(id, { paused: true });
    const { run, options } = await rowOf(id);
    expect(run).toBe(3);
    expect(JSON.parse(options!)).toEqual({ from: { run: 3, before: 3 } });
  });

  it("that is a member of a flow is held back also once it has all it needs", async () => {
    const flow = await newFlow({ chain: [{ task: "test.noop" }, { task: "test.noop" }] });
    const second = (await flowOf(flow)).nodes[1]!.task.id;
    expect(await change(second, { runAt: Date.now() })).toBeNull();
    expect(await change(second, {}, { text: "1", concurrency: null, rates: null })).toBeNull();
    expect(await change(second, { paused: true })).toMatchObject({ state: "waiting" });
    await play(flow, "0", succeeded(1));
    expect(await rowOf(second)).toMatchObject({ state: "scheduled", dueAt: NO_START });
    expect(await claimIds([second])).toEqual([]);
    expect(await change(second, { paused: false })).toMatchObject({ state: "queued" });
    expect(await claimIds([second])).toEqual([second]);
  });

  it("that release 0.2.0 has started goes on at every later start, and is not paused", async () => {
    const id = await store({});
    await change(id, { paused: true });
    // 0.2.0 releases a member of a flow without a look at `paused_at`; an older claim leaves it set.
    await env.DB.prepare("UPDATE tasks SET state = 'queued', due_at = ?2 WHERE id = ?1").bind(id, Date.now()).run();
    await claimOne(env.DB, id);
    expect(await rowOf(id)).toMatchObject({ state: "running", pausedAt: null });
    const runAt = Date.now() + HOUR;
    await env.DB.prepare("UPDATE tasks SET state = 'retrying', run_at = ?2, due_at = ?2, paused_at = 1 WHERE id = ?1")
      .bind(id, runAt)
      .run();
    const [due] = (await readDue(env.DB, runAt, 1_000)).filter((row) => row.id === id);
    expect(wake(due!, runAt)).toEqual({ do: "start" });
    await startTasks(env.DB, [id], runAt);
    expect(await claimIds([id], runAt)).toEqual([id]);
  });
});

describe("another input", () => {
  it("takes the place of the first, large or small, and stands in the lines of its own keys", async () => {
    // Of a definition: those of the submission itself would stay.
    const [from, to, own] = ["task:from", "task:to", newKey()];
    const [holder] = await insertLimited(1, { concurrency: [{ key: to, limit: 1 }] });
    await claimIds([holder!]);
    const task = limitedTask({ concurrency: [from, own].map((key) => ({ key, limit: 5 })) });
    await insertTasks(env.DB, [task]);
    const large = JSON.stringify("x".repeat(40_000));
    const limits = { rates: null, concurrency: JSON.stringify([{ key: to, limit: 1 }]) };
    expect(await change(task.id, {}, { text: large, ...limits })).not.toBeNull();
    expect(await disagreements()).toEqual([]);
    const lines = await env.DB.prepare("SELECT key FROM places WHERE task_id = ?1 ORDER BY key").bind(task.id).all();
    expect(lines.results.map(({ key }) => key)).toEqual([to, own]);
    expect(await claimIds([task.id])).toEqual([]);
    expect(await change(task.id, { maxAttempts: 2 }, { text: "7", rates: null, concurrency: null })).not.toBeNull();
    expect(await disagreements()).toEqual([]);
    const kept = "SELECT COUNT(*) AS n FROM payloads WHERE task_id = ?1";
    expect(await env.DB.prepare(kept).bind(task.id).first("n")).toBe(0);
    expect(await change(task.id, {}, { text: large, rates: null, concurrency: null })).not.toBeNull();
    const claimed = await claimOne(env.DB, task.id);
    expect(await readInput(env.DB, claimed)).toBe(large);
  });
});
