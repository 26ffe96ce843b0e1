/**
 * Turns what is owed into deliveries. It may be killed at every step: until the transaction that stores the deliveries, the
 * outbox says what is owed, and after it the clock finds the deliveries by their timers. A repetition makes the same ids, and so
 * stores nothing more. `engine/announce.ts` sends the messages for the deliveries.
 */

import { log } from "../../core/log.ts";
import { ProblemError } from "../../core/problems.ts";
import { DEFAULT_WEBHOOK } from "../../core/webhook.ts";
import type { Change } from "../../results/changes.ts";
import { readOwed, type Owed, type OwedId } from "../../results/webhooks/owed.ts";
import { readTasks } from "../../results/read-tasks.ts";
import { storeDeliveries } from "../../results/webhooks/store-deliveries.ts";
import { jsonOf, OVERFLOW, type WholeTaskRow } from "../../results/task-row.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";
import type { RunOptions } from "../run-options.ts";
import { presentTask } from "../present.ts";
import { deliveryTaskIdFor } from "./ids.ts";
import { newDelivery, type Happening, type Listener } from "./delivery.ts";
import { newWebhookSecret, sealEndpointSecret, sealTaskSecret } from "./secret.ts";

/** Ends that are read at once. */
const CHUNK = 100;

/** About how many deliveries one transaction stores. An end with a large payload has a transaction of its own. */
const GROUP = 100;

/** The delivery tasks that were stored, and whether some of what is owed could not be expanded. */
export interface Expanded {
  deliveries: Change[];
  failed: boolean;
}

/** Expands what is owed for these tasks. Never throws: the clock expands what is left. */
export async function expandFor(env: Env, tasks: readonly OwedId[]): Promise<Expanded> {
  const all: Expanded = { deliveries: [], failed: false };
  for (let i = 0; i < tasks.length; i += CHUNK) {
    const ids = tasks.slice(i, i + CHUNK).map((task) => task.id);
    try {
      const { deliveries, failed } = await expandSome(env, ids, CHUNK);
      all.deliveries.push(...deliveries);
      all.failed ||= failed;
    } catch (error) {
      log("outbox_not_read", { error });
      all.failed = true;
    }
  }
  return all;
}

/**
 * The same for what is owed of these tasks, or of any (null), oldest first; `owed` is the number of ends. Throws where D1
 * does not answer.
 */
export async function expandSome(env: Env, ids: string[] | null, limit: number): Promise<Expanded & { owed: number }> {
  const { owed, webhooks } = await readOwed(env.DB, ids, limit);
  const deliveries: Change[] = [];
  let failed = false;
  for (const group of groupsOf(owed, webhooks))
    failed = !(await tryToExpand(env, group, webhooks, deliveries)) || failed;
  return { owed: owed.length, deliveries, failed };
}

/** Each end may be told to every endpoint, and to its submission's own. */
function groupsOf(owed: Owed[], webhooks: WebhookRow[]): Owed[][] {
  const size = Math.ceil(GROUP / (webhooks.length + 1));
  const small = owed.filter((end) => !end.overflow);
  const groups = owed.filter((end) => end.overflow).map((end) => [end]);
  for (let i = 0; i < small.length; i += size) groups.push(small.slice(i, i + size));
  return groups;
}

/** Expands the ends one by one where they cannot be expanded together: one that fails must not hold up the others. */
async function tryToExpand(env: Env, group: Owed[], webhooks: WebhookRow[], stored: Change[]): Promise<boolean> {
  try {
    stored.push(...(await expand(env, group, webhooks)));
    return true;
  } catch (error) {
    const isBackendSilent = error instanceof ProblemError;
    if (group.length === 1 || isBackendSilent) {
      const taskIds = group.map((end) => end.taskId);
      log("not_delivered", { taskIds, error });
      return false;
    }
    let all = true;
    for (const end of group) all = (await tryToExpand(env, [end], webhooks, stored)) && all;
    return all;
  }
}

async function expand(env: Env, ends: Owed[], webhooks: WebhookRow[]): Promise<Change[]> {
  const now = Date.now();
  const rows = await readTasks(
    env.DB,
    ends.map((end) => end.taskId),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const told = ends.flatMap((end) => {
    const row = byId.get(end.taskId);
    // The task was removed before its end was delivered.
    if (!row) return [];
    const happening = happeningOf(end, row);
    return listenersOf(end, row, webhooks, happening.type).map((listener) => ({ end, listener, happening }));
  });
  const deliveries = await Promise.all(
    told.map(async ({ end, listener, happening }) => {
      const id = await deliveryTaskIdFor(listener.webhookId, end);
      return newDelivery(await withSealedSecret(env, listener), happening, id, now);
    }),
  );
  const defaults = told.filter(({ listener }) => listener.webhookId === DEFAULT_WEBHOOK);
  const tenants = [...new Set(defaults.map(({ listener }) => listener.tenant))];
  const secrets = await Promise.all(
    tenants.map((tenant) => sealEndpointSecret(env, tenant, DEFAULT_WEBHOOK, newWebhookSecret())),
  );
  await storeDeliveries(
    env.DB,
    deliveries.map(({ task }) => task),
    deliveries.map(({ entry }) => entry),
    ends,
    new Map(tenants.map((tenant, i) => [tenant, secrets[i]!])),
    now,
  );
  return deliveries.map(({ task: { id, lane, state, dueAt } }) => ({ id, lane, state, dueAt }));
}

/** Seals a secret that was submitted before a key was configured. */
async function withSealedSecret(env: Env, listener: Listener): Promise<Listener> {
  const { tenant, url, secret } = listener;
  if (url === undefined || secret === undefined) return listener;
  return { ...listener, secret: await sealTaskSecret(env, tenant, url, secret) };
}

/** The task as it ended. Where another run has begun since, the row may hold another result or none, so the result is omitted. */
function happeningOf(end: Owed, row: WholeTaskRow): Happening {
  const { state, attempt, finishedAt, error } = end;
  const retainUntil = finishedAt + row.retentionMs;
  const isPast = row.run !== end.run && state === "succeeded";
  const lost = isPast ? { result: null, overflow: row.overflow | OVERFLOW.result } : {};
  return {
    type: `task.${state}`,
    at: finishedAt,
    task: presentTask({ ...row, state, attempt, finishedAt, error, retainUntil, ...lost }),
  };
}

function listenersOf(end: Owed, row: WholeTaskRow, webhooks: WebhookRow[], type: string): Listener[] {
  const { tenant } = end;
  const endpoints = webhooks
    .filter((webhook) => webhook.tenant === tenant && (JSON.parse(webhook.events) as string[]).includes(type))
    .map(({ id, payload }): Listener => ({ tenant, webhookId: id, payload }));
  const own = jsonOf<RunOptions>(row.options)?.webhook;
  if (!own || (own.events && !own.events.some((event) => event === type))) return endpoints;
  const { url, secret } = own;
  const listener = { tenant, webhookId: DEFAULT_WEBHOOK, payload: "full" as const, url };
  return [...endpoints, secret === undefined ? listener : { ...listener, secret }];
}
