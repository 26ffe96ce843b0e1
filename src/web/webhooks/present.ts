/** Rows as the resources of the contract, without secrets. */

import type { DeliveryResource, WebhookResource } from "../../contract/webhook.ts";
import type { TaskError } from "../../core/errors.ts";
import type { AttemptRecord } from "../../core/timeline.ts";
import type { DeliveryRow } from "../../results/webhooks/read-deliveries.ts";
import { historyOf, jsonOf } from "../../results/task-row.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";

export function presentWebhook(row: WebhookRow): WebhookResource {
  return {
    id: row.id,
    url: row.url,
    events: JSON.parse(row.events) as WebhookResource["events"],
    description: row.description,
    payload: row.payload,
    paused: row.paused !== 0,
    pausedReason: row.pausedReason,
    failingSince: row.failingSince === null ? null : iso(row.failingSince),
    createdAt: iso(row.createdAt),
  };
}

export function presentDelivery(row: DeliveryRow, webhook: Pick<WebhookRow, "url">): DeliveryResource {
  const waits = row.state === "retrying" || row.state === "queued" || row.state === "scheduled";
  return {
    id: row.id,
    type: row.type as DeliveryResource["type"],
    taskId: row.taskId,
    url: row.url ?? webhook.url,
    state: row.state,
    attempts: attemptsOf(row),
    nextAttemptAt: waits ? iso(row.runAt) : null,
    createdAt: iso(row.createdAt),
  };
}

function attemptsOf(row: DeliveryRow): DeliveryResource["attempts"] {
  // The status of the latest success is in the task's result; that of a success before a replay is in its history entry.
  const latest = row.state === "succeeded" ? jsonOf<{ status: number }>(row.result) : null;
  const history = historyOf(row);
  return history.map((entry, i) => ({
    at: iso(entry.startedAt),
    status: entry.status ?? statusOf(entry.error) ?? (i === history.length - 1 ? (latest?.status ?? null) : null),
    error: entry.outcome === "succeeded" ? null : messageOf(entry),
  }));
}

function statusOf(error: TaskError | null): number | null {
  return (error?.data as { status?: number } | undefined)?.status ?? null;
}

function messageOf(entry: AttemptRecord): string {
  return entry.error?.message ?? entry.outcome;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
