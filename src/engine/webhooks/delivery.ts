/** A delivery as it is stored: a task of the system's own, and its entry in the endpoint's list. */

import { z } from "zod";
import { OMITTABLE, type Omittable, type TaskResource } from "../../contract/task.ts";
import type { KeyLimit } from "../../core/concurrency.ts";
import { BELL_MS, DEFAULT_RETENTION_MS, MAX_PAYLOAD_BYTES } from "../../core/bounds.ts";
import { DELIVERY_ATTEMPTS, deliveryTenant, WEBHOOK_TASK } from "../../core/webhook.ts";
import { byteLength } from "../../core/byte-length.ts";
import type { NewTask } from "../../results/new-task.ts";
import type { NewDelivery } from "../../results/webhooks/store-deliveries.ts";
import { messageIdOf } from "./ids.ts";

/** Deliveries that one receiver gets at once: a slow one, 15 s each, must not fill the lane that it shares with tasks. */
const AT_ONCE = 50;

/** What the delivery task is given. Its payload is the body of every request, byte for byte the same. */
export const deliveryInputSchema = z.object({
  messageId: z.string(),
  webhookId: z.string(),
  /** A submission's own address and (sealed) secret; an endpoint's are read when they are needed, as they may change. */
  url: z.string().optional(),
  secret: z.string().optional(),
  payload: z.object({ type: z.string(), timestamp: z.string(), data: z.unknown() }),
});

/** The receiver of an event. */
export interface Listener {
  tenant: string;
  webhookId: string;
  payload: "full" | "thin";
  /** Of a submission that brought its own. */
  url?: string;
  secret?: string;
}

/** The event. */
export interface Happening {
  type: string;
  /** When it happened, in ms since the epoch. */
  at: number;
  /** The task that has ended; null for a test event, which says `data` instead. */
  task: TaskResource | null;
  data?: unknown;
}

/** The delivery as it is stored; `id` is that of its task. */
export function newDelivery(
  listener: Listener,
  happening: Happening,
  id: string,
  now: number,
): { task: NewTask; entry: NewDelivery } {
  const { tenant, webhookId, url = null } = listener;
  const { type, at, task } = happening;
  return {
    task: {
      id,
      tenant: deliveryTenant(tenant),
      task: WEBHOOK_TASK,
      lane: "default",
      state: "queued",
      maxAttempts: DELIVERY_ATTEMPTS,
      dueAt: now + BELL_MS,
      leaseMs: null,
      createdAt: now,
      runAt: now,
      expiresAt: null,
      retentionMs: DEFAULT_RETENTION_MS,
      parentId: null,
      rootId: id,
      flowId: null,
      nodeKey: null,
      node: null,
      waitingFor: null,
      concurrency: JSON.stringify([{ key: receiverOf(listener), limit: AT_ONCE } satisfies KeyLimit]),
      rates: null,
      circuit: null,
      batch: null,
      traceparent: task?.traceparent ?? null,
      options: null,
      tags: JSON.stringify({ webhook: webhookId }),
      input: inputOf(listener, happening, messageIdOf(id)),
    },
    entry: { tenant, webhookId, id: messageIdOf(id), type, taskId: task?.id ?? null, url, createdAt: at },
  };
}

function receiverOf({ tenant, webhookId, url }: Listener): string {
  return `webhook:${tenant}:${url === undefined ? webhookId : new URL(url).origin}`;
}

/**
 * The delivery task's input, with the payload that the listener asked for; where that is too large to store, without its
 * largest members.
 */
function inputOf(listener: Listener, happening: Happening, messageId: string): string {
  const { webhookId, url, secret } = listener;
  const { type, at, task, data } = happening;
  const input = (told: unknown) =>
    JSON.stringify({
      messageId,
      webhookId,
      url,
      secret,
      payload: { type, timestamp: new Date(at).toISOString(), data: told },
    });
  if (task === null) return input(data);
  const { input: _input, result: _result, ...thin } = task;
  const told: Partial<TaskResource> = listener.payload === "full" ? task : thin;
  for (const omitted of omissions(told)) {
    const text = input(omitted.length === 0 ? told : without(told, omitted));
    if (byteLength(text) <= MAX_PAYLOAD_BYTES) return text;
  }
  return input(without(told, OMITTABLE));
}

/** Which members to leave out, in the order in which to try: none, the largest, the two largest, and so on. */
function* omissions(told: Partial<TaskResource>): Generator<Omittable[]> {
  yield [];
  const sizes = new Map(OMITTABLE.map((member) => [member, JSON.stringify(told[member] ?? null).length]));
  const there = OMITTABLE.filter((member) => told[member] !== undefined && told[member] !== null);
  const largest = there.toSorted((a, b) => sizes.get(b)! - sizes.get(a)!);
  for (let count = 1; count <= largest.length; count++) yield largest.slice(0, count);
}

/** As in a list: what is too large is null, and named; `links.self` is where it can be read. */
function without(told: Partial<TaskResource>, omitted: readonly Omittable[]): Partial<TaskResource> {
  const named = OMITTABLE.filter((member) => omitted.includes(member) && member in told);
  return { ...told, ...Object.fromEntries(named.map((member) => [member, null])), omitted: named };
}
