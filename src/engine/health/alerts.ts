/**
 * Raises and closes a tenant's alerts. The invocation may be cut off after any step: the row of an alert says what is still to be
 * told, and the ids of the deliveries follow from the row, so that a repetition makes no second delivery.
 */

import type { AlertResource } from "../../contract/alert.ts";
import { alertsAfter, type Alert } from "../../core/alerts.ts";
import { reportOf } from "../../core/health.ts";
import { markTold, readAlerts, storeAlerts } from "../../results/alerts.ts";
import { storeDeliveries } from "../../results/webhooks/store-deliveries.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";
import { announce } from "../announce.ts";
import { namedTaskId } from "../ids.ts";
import { newDelivery } from "../webhooks/delivery.ts";
import { lookAtHealth } from "./look.ts";

/** Looks at the tenant's work at `now` (ms since the epoch), and tells its endpoints what is new. Throws where D1 does not answer. */
export async function watchTenant(env: Env, tenant: string, now: number): Promise<void> {
  const { alerts: known, webhooks } = await readAlerts(env.DB, tenant);
  // A tenant without an endpoint that subscribes to alerts has none: those that are raised are closed.
  const seen = webhooks.length === 0 ? null : await lookAtHealth(env, tenant, now, null);
  const change = alertsAfter(known, seen === null ? [] : reportOf(seen).facts, now, seen?.unseen);
  const isNews = change.raised.length + change.closed.length > 0;
  const alerts = isNews ? await storeAlerts(env.DB, tenant, change) : known;
  const untold = alerts.filter(({ isTold }) => !isTold);
  if (untold.length === 0) return;
  await tell(env, tenant, untold, webhooks, now);
  await markTold(env.DB, tenant, untold);
}

/** Makes the clock tick now where an endpoint listens to alerts, because nothing else may be due. */
export async function lookForAlerts(env: Env, { events }: WebhookRow, now: number): Promise<void> {
  if (events.includes('"alert.')) await announce(env, { lookAt: now }, now);
}

async function tell(env: Env, tenant: string, alerts: Alert[], webhooks: WebhookRow[], now: number): Promise<void> {
  const told = alerts.flatMap((alert) => webhooks.filter(hears(alert)).map((webhook) => ({ alert, webhook })));
  if (told.length === 0) return;
  const deliveries = await Promise.all(
    told.map(async ({ alert, webhook: { id: webhookId, payload } }) => {
      const { code, subject, raisedAt, closedAt } = alert;
      const at = closedAt ?? raisedAt;
      const phase = closedAt === null ? "raised" : "closed";
      const id = await namedTaskId(`${webhookId}:alert.${code}:${subject}:${raisedAt}:${phase}`, at);
      const happening = { type: `alert.${code}`, at, task: null, data: present(alert) };
      return newDelivery({ tenant, webhookId, payload }, happening, id, now);
    }),
  );
  const tasks = deliveries.map(({ task }) => task);
  await storeDeliveries(
    env.DB,
    tasks,
    deliveries.map(({ entry }) => entry),
    [],
    new Map(),
    now,
  );
  await announce(env, { moved: tasks.map(({ id, lane, state, dueAt }) => ({ id, lane, state, dueAt })) }, now);
}

/** A paused endpoint is told nothing. */
function hears({ code }: Alert): (webhook: WebhookRow) => boolean {
  return ({ events, paused }) => paused === 0 && (JSON.parse(events) as string[]).includes(`alert.${code}`);
}

function present({ code, subject, raisedAt, closedAt, fact }: Alert): AlertResource {
  return {
    code,
    subject: subject === "" ? null : subject,
    state: closedAt === null ? "raised" : "closed",
    raisedAt: new Date(raisedAt).toISOString(),
    closedAt: closedAt === null ? null : new Date(closedAt).toISOString(),
    fact,
  };
}
