/**
 * `lovage.webhook`: the system's own task that makes a delivery. At least once, and under the same
 * `webhook-id` every time, by which a receiver knows what it has had (Standard Webhooks 1.0).
 */

import { Webhook } from "standardwebhooks";
import { z } from "zod";
import { defineTask } from "../core/define-task.ts";
import type { TaskContext } from "../core/task.ts";
import { NonRetryableError, RetryAfterError } from "../core/errors.ts";
import {
  ANSWER_WITHIN_MS,
  DEFAULT_WEBHOOK,
  DELIVERY_ATTEMPTS,
  deliveryDelay,
  ownerOf,
  TEST_EVENT,
  validSecrets,
  WEBHOOK_TASK,
} from "../core/webhook.ts";
import { auditOf, systemActor } from "../engine/audit.ts";
import { deliveryInputSchema } from "../engine/webhooks/delivery.ts";
import { endpointSecrets, openTaskSecret, resealEndpoint } from "../engine/webhooks/secret.ts";
import { whyNoTarget } from "../engine/webhooks/target.ts";
import type { Audit } from "../results/audit.ts";
import { readWebhook } from "../results/webhooks/read.ts";
import { noteFailure, noteSuccess, pauseWebhook } from "../results/webhooks/health.ts";
import type { WebhookRow } from "../results/webhooks/row.ts";
import { fetchGuarded } from "../outbound/guarded-fetch.ts";
import { outboundPolicy } from "../outbound/guard.ts";
import { retryAfterMs } from "../outbound/retry-after.ts";
import { UnexpectedStatusError } from "../outbound/unexpected-status.ts";

type Delivery = z.output<typeof deliveryInputSchema>;

const GONE = 410;

export const webhookTask = defineTask({
  name: WEBHOOK_TASK,
  input: deliveryInputSchema,
  output: z.object({ status: z.int() }),
  maxAttempts: DELIVERY_ATTEMPTS,
  retry: ({ failures }) => deliveryDelay(failures, Math.random()),
  // Its own limit comes first; this one is for the database.
  timeout: ANSWER_WITHIN_MS + 8_000,
  run: deliver,
});

/**
 * A delivery to an endpoint that is paused when its attempt comes ends there, and can be replayed
 * once the endpoint listens again; only a test is sent to a paused one.
 */
async function deliver(delivery: Delivery, ctx: TaskContext): Promise<{ status: number }> {
  const { env } = ctx;
  const webhook = await readWebhook(env.DB, ownerOf(ctx.tenant), delivery.webhookId);
  if (webhook === null) throw new NonRetryableError("the endpoint was deleted");
  if (webhook.paused && delivery.payload.type !== TEST_EVENT) {
    throw new NonRetryableError(`the endpoint is paused${webhook.pausedReason ? `: ${webhook.pausedReason}` : ""}`);
  }
  await resealEndpoint(env, webhook);
  // The default endpoint stands for any number of addresses: what one of them does is not held against it.
  const isJudged = webhook.id !== DEFAULT_WEBHOOK;
  try {
    const status = await post(delivery, webhook, ctx);
    if (isJudged && webhook.failingSince !== null) await noteSuccess(env.DB, webhook.tenant, webhook.id);
    return { status };
  } catch (error) {
    if (isJudged && !ctx.signal.aborted) await judge(env, webhook, error);
    throw error;
  }
}

async function judge(env: Env, { tenant, id }: WebhookRow, error: unknown): Promise<void> {
  if (error instanceof NonRetryableError && (error.data as { status?: number } | undefined)?.status === GONE) {
    const reason = "the receiver answered 410 Gone";
    await pauseWebhook(env.DB, tenant, id, reason, pausedBySystem(tenant, id, reason));
  } else {
    const entry = pausedBySystem(tenant, id, "every attempt for days has failed");
    await noteFailure(env.DB, tenant, id, Date.now(), entry);
  }
}

function pausedBySystem(tenant: string, id: string, reason: string): Audit {
  const changed = { tenant, target: id, detail: { paused: true, reason } };
  return auditOf(systemActor("webhooks"), "webhook.change", changed, Date.now());
}

/** The status that the receiver took it with; throws for every other answer, and for none. */
async function post(delivery: Delivery, webhook: WebhookRow, ctx: TaskContext): Promise<number> {
  const url = delivery.url ?? webhook.url;
  const refused = whyNoTarget(ctx.env, url);
  if (refused !== null) throw new NonRetryableError(`target refused: ${refused}`);
  const body = JSON.stringify(delivery.payload);
  const patience = AbortSignal.timeout(ANSWER_WITHIN_MS);
  let response: Response;
  try {
    response = await fetchGuarded({
      url,
      method: "POST",
      headers: await headersOf(delivery, webhook, body, ctx),
      body,
      followRedirects: false,
      policy: outboundPolicy(ctx.env),
      signal: AbortSignal.any([ctx.signal, patience]),
    });
  } catch (error) {
    if (!patience.aborted || ctx.signal.aborted) throw error;
    throw new Error(`no answer within ${ANSWER_WITHIN_MS / 1_000} s`, { cause: error });
  }
  // What it says beyond the status is of no interest, and may be endless.
  await response.body?.cancel();
  if (response.ok) return response.status;
  throw failureOf(response);
}

function failureOf(response: Response): Error {
  const { status } = response;
  const message = `answered ${status}`;
  if (status === GONE) return new NonRetryableError(message, { status });
  const isBusy = status === 429 || status >= 500;
  const delayMs = isBusy ? retryAfterMs(response.headers.get("retry-after"), Date.now()) : null;
  return delayMs === null
    ? new UnexpectedStatusError(message, { status })
    : new RetryAfterError(message, delayMs, { status });
}

/** Signed anew for each attempt: a receiver refuses what was signed more than five minutes ago. */
async function headersOf(delivery: Delivery, webhook: WebhookRow, body: string, ctx: TaskContext): Promise<Headers> {
  const now = new Date();
  const secrets =
    delivery.secret === undefined
      ? validSecrets(await endpointSecrets(ctx.env, webhook), now.getTime())
      : [await openTaskSecret(ctx.env, webhook.tenant, delivery.url ?? webhook.url, delivery.secret)];
  const signatures = secrets.map((secret) => new Webhook(secret).sign(delivery.messageId, now, body));
  const headers = new Headers({
    "content-type": "application/json",
    "user-agent": "lovage-webhooks",
    "webhook-id": delivery.messageId,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": signatures.join(" "),
  });
  if (ctx.traceparent !== null) headers.set("traceparent", ctx.traceparent);
  return headers;
}
