/** What webhooks cost, in rows written as D1 bills them: nothing where no endpoint listens. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { deliverOwed } from "../../src/engine/webhooks/deliver.ts";
import { deliveryTaskIdOf } from "../../src/engine/webhooks/ids.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import { changeWebhook } from "../../src/results/webhooks/change.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { listDeliveries } from "../../src/results/webhooks/read-deliveries.ts";
import { ensureDefault } from "../../src/results/webhooks/store.ts";
import { countRows } from "./count-rows.ts";
import { claimOne, endOf, newTask, newTenant, newWebhook, NOBODY, quietEnv } from "./webhook-tasks.ts";

/** Rows of each step of a task's life: submit, claim, commit. */
async function live(tenant: string, options?: Parameters<typeof newTask>[1]): Promise<number[]> {
  const { db, written } = countRows(env.DB);
  const task = newTask(tenant, options);
  await insertTasks(db, [task]);
  const submitted = written();
  const claimed = await claimOne(db, task.id);
  const claim = written();
  await commitAttempts(db, [endOf(claimed)]);
  return [submitted, claim, written()];
}

/** Tenants other than the default one have one row more: of the index that finds their tasks. */
const PLAIN = [3, 1, 1];

describe("a plain task", () => {
  it("costs five rows where its tenant has no webhooks", async () => {
    expect(await live(newTenant())).toEqual(PLAIN);
  });

  it("costs five rows where others listen, or to other events, or not now", async () => {
    const tenant = newTenant();
    await newWebhook(newTenant());
    await newWebhook(tenant, ["task.failed", "task.expired"]);
    await changeWebhook(env.DB, tenant, (await newWebhook(tenant)).id, { paused: true });
    await ensureDefault(env.DB, tenant, "whsec_", Date.now());
    expect(await live(tenant)).toEqual(PLAIN);
    expect(await live(tenant, { webhook: { url: NOBODY, events: ["task.cancelled"] } })).toEqual(PLAIN);
  });

  it("asks whether an endpoint listens in one look-up", async () => {
    const { results } = await env.DB.prepare(
      "EXPLAIN QUERY PLAN SELECT 1 FROM webhooks WHERE tenant = 'a' AND paused = 0 AND instr(events, 'x')",
    ).all<{ detail: string }>();
    expect(results.map((row) => row.detail)).toEqual(["SEARCH webhooks USING PRIMARY KEY (tenant=?)"]);
  });

  it("writes nothing to look for what is owed", async () => {
    const { db, written } = countRows(env.DB);
    await deliverOwed(quietEnv());
    await deliverOwed(quietEnv(db));
    expect(written()).toBe(0);
  });
});

/** A task with its timer and its place among those of its receiver, and an entry in the list. */
const STORED = 4;

/** How many it may get at once. */
const FIRST_OF_ITS_RECEIVER = 1;

describe("a watched task", () => {
  it("costs one row more at its end, and one when its deliveries are stored", async () => {
    const tenant = newTenant();
    await newWebhook(tenant);
    await newWebhook(tenant);
    await deliverOwed(quietEnv());
    expect(await live(tenant)).toEqual([3, 1, 2]);
    const { db, written } = countRows(env.DB);
    await deliverOwed(quietEnv(db));
    expect(written()).toBe(1 + 2 * STORED + 2 * FIRST_OF_ITS_RECEIVER);
  });

  it("costs the same with a webhook of its own, but for the default secret once", async () => {
    const tenant = newTenant();
    const { db, written } = countRows(env.DB);
    for (const secrets of [1, 0]) {
      expect(await live(tenant, { webhook: { url: NOBODY } })).toEqual([3, 1, 2]);
      await deliverOwed(quietEnv(db));
      expect(written()).toBe(secrets + 1 + STORED + (secrets ? FIRST_OF_ITS_RECEIVER : 0));
    }
  });

  it("costs nine rows for a delivery that is taken at once", async () => {
    const tenant = newTenant();
    const webhook = await newWebhook(tenant);
    await live(tenant);
    await deliverOwed(quietEnv());
    const [delivery] = await listDeliveries(env.DB, tenant, webhook.id, null, 1);
    const { db, written } = countRows(env.DB);
    const claimed = await claimOne(db, deliveryTaskIdOf(delivery!.id));
    expect(written()).toBe(3);
    await commitAttempts(db, [endOf(claimed, { outcome: "succeeded", result: '{"status":204}' })]);
    expect(STORED + 3 + written()).toBe(9);
  });

  it("costs one row more when it is cancelled: the entry among what ended badly", async () => {
    const tenant = newTenant();
    await newWebhook(tenant);
    const { db, written } = countRows(env.DB);
    const task = newTask(tenant);
    await insertTasks(env.DB, [task]);
    const { owed } = await cancelTasks(db, [task.id], null, Date.now());
    expect(owed).toEqual([{ id: task.id }]);
    expect(written()).toBe(3);
  });
});
