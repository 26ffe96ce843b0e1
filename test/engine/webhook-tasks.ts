/** Tasks and endpoints as the tests of webhooks need them, and an engine that sends no messages: every step is the test's own. */

import { env } from "cloudflare:workers";
import { prepare } from "../../src/engine/prepare.ts";
import { newId, newTaskIds } from "../../src/engine/ids.ts";
import { newWebhookSecret } from "../../src/engine/webhooks/secret.ts";
import type { OptionsInput } from "../../src/contract/submission.ts";
import { WEBHOOK_EVENTS, type EndpointEvent } from "../../src/core/webhook.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { settle, type Ending } from "../../src/core/settle.ts";
import type { Undoing } from "../../src/core/undo.ts";
import { claimTasks, type ClaimedTask } from "../../src/results/claim-tasks.ts";
import type { Commit } from "../../src/results/commit-attempts.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { jsonOf } from "../../src/results/task-row.ts";
import { insertWebhook } from "../../src/results/webhooks/store.ts";
import type { WebhookRow } from "../../src/results/webhooks/row.ts";

const silent = { sendBatch: async () => {} } as unknown as Queue;

/** The Worker's bindings, with queues without consumers. */
export function quietEnv(db: D1Database = env.DB): Env {
  return { ...env, DB: db, LANE_HIGH: silent, LANE_DEFAULT: silent, LANE_BULK: silent, LANE_LONG: silent };
}

let tenants = 0;

export function newTenant(): string {
  return `tenant-${++tenants}`;
}

export function newTask(tenant: string, options?: OptionsInput): NewTask {
  const body = { task: "test.noop", ...(options ? { options } : {}) };
  const prepared = prepare(env, body, { tenant, traceparent: null }, newTaskIds(1)[0]!, Date.now());
  if (!prepared.ok) throw new Error(prepared.problem.detail);
  return prepared.task;
}

export async function claimOne(db: D1Database, id: string): Promise<ClaimedTask> {
  const {
    claimed: [task],
  } = await claimTasks(db, [id], crypto.randomUUID(), Date.now());
  return task!;
}

/** The end of a claimed task's attempt, ready to be committed. */
export function endOf(task: ClaimedTask, ending: Ending = { outcome: "succeeded", result: "null" }): Commit {
  const at = Date.now();
  return {
    ...settle({ ...task, undoing: jsonOf<Undoing>(task.undo) }, ending, DEFAULT_RETRY, at, 0.5),
    id: task.id,
    attempt: task.attempt,
    startedAt: task.startedAt,
    at,
    progress: null,
    object: 0,
    mayRelease: false,
  };
}

/** Nothing listens there. */
export const NOBODY = "http://127.0.0.1:1/";

export async function newWebhook(
  tenant: string,
  events: readonly EndpointEvent[] = WEBHOOK_EVENTS,
): Promise<WebhookRow> {
  const stored = await insertWebhook(env.DB, {
    tenant,
    id: newId("whk"),
    url: NOBODY,
    events: JSON.stringify(events),
    description: "",
    payload: "full",
    secrets: JSON.stringify([{ secret: newWebhookSecret(), expiresAt: null }]),
    createdAt: Date.now(),
  });
  return stored!;
}
