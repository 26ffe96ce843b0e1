/** Webhooks where they could be lost, doubled or left over: between the transactions. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { firstIdAt } from "../../src/core/id-time.ts";
import { GIVE_UP_AFTER_MS } from "../../src/core/webhook.ts";
import { deleteEnded } from "../../src/engine/delete.ts";
import { removeWebhook } from "../../src/engine/webhooks/delete.ts";
import { announce } from "../../src/engine/announce.ts";
import { deliverOwed } from "../../src/engine/webhooks/deliver.ts";
import { deliveryTaskIdOf } from "../../src/engine/webhooks/ids.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { expireTasks } from "../../src/results/expire-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { deleteTasks } from "../../src/results/purge-tasks.ts";
import { listDeliveries } from "../../src/results/webhooks/read-deliveries.ts";
import { listWebhooks, readWebhook } from "../../src/results/webhooks/read.ts";
import { replayTasks } from "../../src/results/webhooks/replay.ts";
import { noteEndpointFailure, noteEndpointSuccess, pauseWebhook } from "../../src/results/webhooks/health.ts";
import { countRows } from "./count-rows.ts";
import { claimOne, endOf, newTask, newTenant, newWebhook, quietEnv } from "./webhook-tasks.ts";

/** A task that has just ended, with nothing done about it: as a crash right after the commit leaves it. */
async function ended(tenant: string, options?: Parameters<typeof newTask>[1]): Promise<string> {
  const task = newTask(tenant, options);
  await insertTasks(env.DB, [task]);
  await commitAttempts(env.DB, [endOf(await claimOne(env.DB, task.id))]);
  return task.id;
}

async function owes(taskId: string): Promise<boolean> {
  const row = await env.DB.prepare("SELECT 1 FROM outbox WHERE task_id = ?1").bind(taskId).first();
  return row !== null;
}

const deliveries = (tenant: string, webhookId: string) => listDeliveries(env.DB, tenant, webhookId, null, 100);

describe("an end", () => {
  it("is owed in the transaction of the end itself, once", async () => {
    const tenant = newTenant();
    await newWebhook(tenant);
    const task = newTask(tenant);
    await insertTasks(env.DB, [task]);
    const end = endOf(await claimOne(env.DB, task.id));
    expect((await commitAttempts(env.DB, [end])).owed).toEqual([{ id: task.id }]);
    // Repeated because its answer was lost, and by an attempt that was fenced.
    expect((await commitAttempts(env.DB, [end])).owed).toEqual([{ id: task.id }]);
    const { results } = await env.DB.prepare("SELECT run, state FROM outbox WHERE task_id = ?1").bind(task.id).all();
    expect(results).toEqual([{ run: 1, state: "succeeded" }]);
  });

  it("that is not the last one is not owed", async () => {
    const tenant = newTenant();
    await newWebhook(tenant);
    const task = newTask(tenant);
    await insertTasks(env.DB, [task]);
    const failed = { outcome: "failed", error: { type: "Error", message: "no" }, retryable: true } as const;
    const { owed } = await commitAttempts(env.DB, [endOf(await claimOne(env.DB, task.id), failed)]);
    expect(owed).toEqual([]);
  });

  it("by expiry is owed", async () => {
    const tenant = newTenant();
    await newWebhook(tenant, ["task.expired"]);
    const task = newTask(tenant, { expiresIn: "1s" });
    await insertTasks(env.DB, [task]);
    const { owed } = await expireTasks(env.DB, [task.id], Date.now() + 2_000);
    expect(owed).toEqual([{ id: task.id }]);
  });

  it("becomes deliveries at the next tick where the isolate that committed it died", async () => {
    const tenant = newTenant();
    const { id: webhookId } = await newWebhook(tenant);
    const taskId = await ended(tenant);
    expect(await deliveries(tenant, webhookId)).toEqual([]);
    const clock = env.CLOCK.getByName(tenant);
    await clock.watch();
    await expect.poll(() => owes(taskId)).toBe(false);
    expect(await deliveries(tenant, webhookId)).toMatchObject([{ taskId, type: "task.succeeded" }]);
  });

  it("wakes a clock that would tick only much later", async () => {
    const tenant = newTenant();
    await newWebhook(tenant);
    const clock = env.CLOCK.getByName(tenant);
    await clock.watch();
    // The first tick, which is due at once, is over.
    await expect.poll(() => clock.wakeBy(Date.now() + 3_600_000)).toBeGreaterThan(Date.now() + 10_000);
    const taskId = await ended(tenant);
    await clock.watch();
    await expect.poll(() => owes(taskId)).toBe(false);
  });

  it("makes the same deliveries however often it is tried, also at once", async () => {
    const tenant = newTenant();
    const { id } = await newWebhook(tenant);
    const taskId = await ended(tenant);
    const row = await env.DB.prepare("SELECT * FROM outbox WHERE task_id = ?1").bind(taskId).first();
    const three = [1, 2, 3].map(() => announce(quietEnv(), { owed: [{ id: taskId }] }));
    await Promise.all(three);
    expect(await deliveries(tenant, id)).toHaveLength(1);
    // A tick that read the outbox long ago and was held up writes only now.
    const { task_id, run, state, attempt, finished_at, error } = row as Record<string, string>;
    await env.DB.prepare("INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
      .bind(task_id, run, tenant, state, attempt, finished_at, error)
      .run();
    await deliverOwed(quietEnv());
    expect(await deliveries(tenant, id)).toHaveLength(1);
  });

  it("of many tasks is delivered for each of them", async () => {
    const tenant = newTenant();
    const { id } = await newWebhook(tenant);
    const tasks = Array.from({ length: 120 }, () => newTask(tenant));
    await insertTasks(env.DB, tasks);
    const ends = await Promise.all(tasks.map(async (task) => endOf(await claimOne(env.DB, task.id))));
    const { owed } = await commitAttempts(env.DB, ends);
    expect(owed).toHaveLength(120);
    await announce(quietEnv(), { owed });
    const { results } = await env.DB.prepare("SELECT id FROM deliveries WHERE webhook_id = ?1").bind(id).all();
    expect(results).toHaveLength(120);
  });
});

describe("a task that webhooks are still owed", () => {
  it("is not removed before they have their copies", async () => {
    const tenant = newTenant();
    const { id } = await newWebhook(tenant);
    const taskId = await ended(tenant);
    expect((await deleteTasks(env.DB, [taskId], null)).gone).toEqual([]);
    expect(await deleteEnded(quietEnv(), [taskId])).toBe(1);
    expect(await deliveries(tenant, id)).toMatchObject([{ taskId }]);
  });
});

describe("a delivery", () => {
  async function delivered(): Promise<{ tenant: string; webhookId: string; messageId: string }> {
    const tenant = newTenant();
    const { id: webhookId } = await newWebhook(tenant);
    await announce(quietEnv(), { owed: [{ id: await ended(tenant) }] });
    const [delivery] = await deliveries(tenant, webhookId);
    return { tenant, webhookId, messageId: delivery!.id };
  }

  it("goes with its task", async () => {
    const { tenant, webhookId, messageId } = await delivered();
    const taskId = deliveryTaskIdOf(messageId);
    await commitAttempts(env.DB, [
      endOf(await claimOne(env.DB, taskId), { outcome: "succeeded", result: '{"status":200}' }),
    ]);
    await deleteTasks(env.DB, [taskId], null);
    const { results } = await env.DB.prepare("SELECT id FROM deliveries WHERE tenant = ?1 AND webhook_id = ?2")
      .bind(tenant, webhookId)
      .all();
    expect(results).toEqual([]);
  });

  it("is replayed once however often the statement is repeated", async () => {
    const { messageId } = await delivered();
    const taskId = deliveryTaskIdOf(messageId);
    await commitAttempts(env.DB, [
      endOf(await claimOne(env.DB, taskId), { outcome: "succeeded", result: '{"status":202}' }),
    ]);
    const now = Date.now() + 1;
    expect(await replayTasks(env.DB, [taskId], now)).toEqual([{ id: taskId, lane: "default" }]);
    expect(await replayTasks(env.DB, [taskId], now)).toEqual([{ id: taskId, lane: "default" }]);
    const row = await env.DB.prepare("SELECT run, state, history FROM tasks WHERE id = ?1")
      .bind(taskId)
      .first<{ run: number; state: string; history: string }>();
    expect(row).toMatchObject({ run: 2, state: "queued" });
    expect(JSON.parse(row!.history)).toMatchObject([{ outcome: "succeeded", status: 202 }]);
  });

  it("is found by the time at which it happened", async () => {
    const { messageId, tenant, webhookId } = await delivered();
    const createdAt = (await deliveries(tenant, webhookId))[0]!.createdAt;
    expect(firstIdAt("msg", createdAt) < messageId && messageId < firstIdAt("msg", createdAt + 1)).toBe(true);
  });

  it("is cancelled when its endpoint is removed", async () => {
    const { tenant, webhookId, messageId } = await delivered();
    expect(await removeWebhook(quietEnv(), tenant, webhookId, Date.now())).toBe(true);
    const state = await env.DB.prepare("SELECT state FROM tasks WHERE id = ?1")
      .bind(deliveryTaskIdOf(messageId))
      .first("state");
    expect(state).toBe("cancelled");
    expect(await listWebhooks(env.DB, tenant, null, 10)).toEqual([]);
    expect(await removeWebhook(quietEnv(), tenant, webhookId, Date.now())).toBe(false);
  });

  it("is not stored for an endpoint that was removed meanwhile", async () => {
    const tenant = newTenant();
    const { id } = await newWebhook(tenant);
    const taskId = await ended(tenant);
    await removeWebhook(quietEnv(), tenant, id, Date.now());
    await announce(quietEnv(), { owed: [{ id: taskId }] });
    expect(await owes(taskId)).toBe(false);
    expect(await deliveries(tenant, id)).toEqual([]);
  });
});

describe("an endpoint", () => {
  const start = Date.parse("2026-03-01T00:00:00.000Z");

  it("is paused after five days without a success, and says why", async () => {
    const tenant = newTenant();
    const { id } = await newWebhook(tenant);
    await noteEndpointFailure(env.DB, tenant, id, start);
    await noteEndpointFailure(env.DB, tenant, id, start + GIVE_UP_AFTER_MS - 1);
    expect(await readWebhook(env.DB, tenant, id)).toMatchObject({ failingSince: start, paused: 0 });
    await noteEndpointFailure(env.DB, tenant, id, start + GIVE_UP_AFTER_MS);
    expect(await readWebhook(env.DB, tenant, id)).toMatchObject({
      paused: 1,
      pausedReason: "every attempt since 2026-03-01T00:00:00.000Z has failed",
    });
  });

  it("starts anew with a success", async () => {
    const tenant = newTenant();
    const { id } = await newWebhook(tenant);
    await noteEndpointFailure(env.DB, tenant, id, start);
    await noteEndpointSuccess(env.DB, tenant, id);
    expect(await readWebhook(env.DB, tenant, id)).toMatchObject({ failingSince: null });
    await noteEndpointFailure(env.DB, tenant, id, start + GIVE_UP_AFTER_MS);
    expect(await readWebhook(env.DB, tenant, id)).toMatchObject({ failingSince: start + GIVE_UP_AFTER_MS, paused: 0 });
  });

  it("costs no row where nothing changes", async () => {
    const tenant = newTenant();
    const { id } = await newWebhook(tenant);
    const { db, written } = countRows(env.DB);
    await noteEndpointSuccess(db, tenant, id);
    expect(written()).toBe(0);
    await noteEndpointFailure(db, tenant, id, start);
    expect(written()).toBe(1);
    await noteEndpointFailure(db, tenant, id, start + 1_000);
    expect(written()).toBe(0);
    await pauseWebhook(db, tenant, id, "gone");
    expect(written()).toBe(1);
    await pauseWebhook(db, tenant, id, "gone again");
    await noteEndpointFailure(db, tenant, id, start + GIVE_UP_AFTER_MS);
    expect(written()).toBe(0);
    expect(await readWebhook(env.DB, tenant, id)).toMatchObject({ pausedReason: "gone" });
  });
});
