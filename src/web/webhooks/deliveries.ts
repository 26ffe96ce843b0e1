/** The deliveries of an endpoint, and their replay. The id `default` stands for the webhooks of submissions. */

import { z } from "zod";
import { instantSchema } from "../../contract/submission.ts";
import { bulkResultSchema } from "../../contract/task.ts";
import { deliveryListSchema, deliverySchema } from "../../contract/webhook.ts";
import { isMessageId } from "../../engine/webhooks/ids.ts";
import { replay, replayRange } from "../../engine/webhooks/replay.ts";
import { testWebhook } from "../../engine/webhooks/test.ts";
import { listDeliveries, readDelivery, type DeliveryRow } from "../../results/webhooks/read-deliveries.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";
import { refuse } from "../problem.ts";
import { optionalBody } from "../tasks/control.ts";
import { presentDelivery } from "./present.ts";
import { findWebhook, refuseDefault } from "./shared.ts";

export const listDeliveriesOperation = operation({
  id: "listDeliveries",
  method: "get",
  path: "/v1/webhooks/{id}/deliveries",
  tag: "webhooks",
  summary: "List an endpoint's deliveries, newest first",
  description: "With every attempt and what the receiver answered. They are kept for a week after their end.",
  scope: "read",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "A page of deliveries", schema: deliveryListSchema, headers: ["Link"] } },
  problems: ["not-found", "invalid-cursor", "unavailable"],
  async handle({ c, env, principal, params, query }) {
    const webhook = await findWebhook(env, principal, params["id"]!);
    const limit = query.limit ?? 50;
    const cursor = readCursor(query.cursor, isMessageId);
    const rows = await listDeliveries(env.DB, webhook.tenant, webhook.id, cursor, limit + 1);
    const shown = rows.slice(0, limit);
    const items = shown.map((row) => presentDelivery(row, webhook));
    return page(c, items, rows.length > limit ? cursorAfter(shown.at(-1)!.id) : null);
  },
});

export const replayDelivery = operation({
  id: "replayDelivery",
  method: "post",
  path: "/v1/webhooks/{id}/deliveries/{deliveryId}/replay",
  tag: "webhooks",
  summary: "Make a delivery again",
  description:
    "Delivers it again, however it ended, with the same `webhook-id` and payload; its attempts so far are kept. A delivery that waits for its next attempt makes it at once.",
  scope: "admin",
  audits: "webhook.replay",
  body: optionalBody(z.strictObject({})),
  answers: { 202: { description: "The delivery, which is on its way", schema: deliverySchema } },
  problems: ["not-found", "webhook-conflict", "quota-exceeded", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const webhook = await findWebhook(env, principal, params["id"]!);
    refusePaused(webhook);
    const { id } = await findDelivery(env, webhook, params["deliveryId"]!);
    await replay(
      env,
      c.executionCtx,
      webhook.tenant,
      [id],
      Date.now(),
      audit(webhook.id, { detail: { delivery: id } }),
    );
    return c.json(presentDelivery(await findDelivery(env, webhook, id), webhook), 202);
  },
});

export const replayDeliveries = operation({
  id: "replayDeliveries",
  method: "post",
  path: "/v1/webhooks/{id}/replay",
  tag: "webhooks",
  summary: "Make all deliveries of a time again",
  description:
    "Delivers what happened from `since` to `until`, both included, whether it was delivered before or not. `matched` counts the deliveries that were found, `changed` those that were not on their way already. One request does a bounded amount of work: where that was not all, the answer has a `nextCursor`, with which the same request goes on as its `cursor`.",
  scope: "admin",
  audits: "webhook.replay",
  body: z
    .strictObject({ since: instantSchema, until: instantSchema.optional(), cursor: pageQuery.cursor })
    .meta({ id: "ReplayRange" }),
  example: { since: "2026-01-31T08:00:00.000Z" },
  answers: { 202: { description: "How many", schema: bulkResultSchema } },
  problems: ["not-found", "invalid-cursor", "webhook-conflict", "quota-exceeded", "unavailable"],
  async handle({ c, env, principal, params, body, audit }) {
    const now = Date.now();
    const { since, until = now } = body;
    if (until < since) {
      refuse("invalid-body", "The end of the time is before its beginning.", [
        { pointer: "/until", detail: "is before since" },
      ]);
    }
    const webhook = await findWebhook(env, principal, params["id"]!);
    refusePaused(webhook);
    const cursor = readCursor(body.cursor, isMessageId, "/cursor");
    const range = { since: Math.max(since, 0), until: Math.max(until, 0), cursor };
    const iso = (at: number) => new Date(at).toISOString();
    const entry = audit(webhook.id, { detail: { since: iso(since), until: iso(until) }, isCounted: true });
    const { next, ...counts } = await replayRange(env, c.executionCtx, webhook, range, now, entry);
    return c.json({ ...counts, ...(next === null ? {} : { nextCursor: cursorAfter(next) }) }, 202);
  },
});

export const testWebhookOperation = operation({
  id: "testWebhook",
  method: "post",
  path: "/v1/webhooks/{id}/test",
  tag: "webhooks",
  summary: "Send a test event",
  description: "Of the type `webhook.test`, signed and retried like any other. A paused endpoint gets it too.",
  scope: "admin",
  audits: "webhook.test",
  body: optionalBody(z.strictObject({})),
  answers: { 202: { description: "The delivery, which is on its way", schema: deliverySchema } },
  problems: ["not-found", "webhook-conflict", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    refuseDefault(params["id"]!);
    const webhook = await findWebhook(env, principal, params["id"]!);
    const id = await testWebhook(env, c.executionCtx, webhook, Date.now(), audit(webhook.id));
    return c.json(presentDelivery(await findDelivery(env, webhook, id), webhook), 202);
  },
});

async function findDelivery(env: Env, webhook: WebhookRow, id: string): Promise<DeliveryRow> {
  const row = isMessageId(id) ? await readDelivery(env.DB, webhook.tenant, webhook.id, id) : null;
  return row ?? refuse("not-found", "There is no delivery with this id.");
}

function refusePaused(webhook: WebhookRow): void {
  if (!webhook.paused) return;
  refuse("webhook-conflict", 'The webhook is paused. Resume it first, with PATCH and { "paused": false }.');
}
