/**
 * `lovage.webhook`: the system's own task that delivers a webhook, at least once and with the same
 * `webhook-id` every time, by which a receiver recognizes a repeated delivery (Standard Webhooks 1.0).
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
import { noteEndpointFailure, noteEndpointSuccess, pauseWebhook } from "../results/webhooks/health.ts";
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
  // The request has its own, shorter limit; the rest is for D1.
  timeout: ANSWER_WITHIN_MS + 8_000,
  run: deliver,
});

/**
 * A delivery to an endpoint that is paused at that time fails for good, and can be replayed once the endpoint is
 * resumed; only a test is sent to a paused endpoint.
 */
async function deliver(delivery: Delivery, ctx: TaskContext): Promise<{ status: number }> {
  const { env } = ctx;
  const webhook = await readWebhook(env.DB, ownerOf(ctx.tenant), delivery.webhookId);
  if (webhook === null) throw new NonRetryableError("the endpoint was deleted");
  if (webhook.paused && delivery.payload.type !== TEST_EVENT) {
    throw new NonRetryableError(`the endpoint is paused${webhook.pausedReason ? `: ${webhook.pausedReason}` : ""}`);
  }
  await resealEndpoint(env, webhook);
  // The default endpoint stands for any number of addresses: failures of one must not pause it.
  const isJudged = webhook.id !== DEFAULT_WEBHOOK;
  try {
    const status = await post(delivery, webhook, ctx);
    if (isJudged && webhook.failingSince !== null) await noteEndpointSuccess(env.DB, webhook.tenant, webhook.id);
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
    await noteEndpointFailure(env.DB, tenant, id, Date.now(), entry);
  }
}

function pausedBySystem(tenant: string, id: string, reason: string): Audit {
  const changed = { tenant, target: id, detail: { paused: true, reason } };
  return auditOf(systemActor("webhooks"), "webhook.change", changed, Date.now());
}

/** Sends the delivery and returns the receiver's 2xx status. Throws for every other answer, and where there is none. */
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
  // The body is not needed, and may be endless.
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

/** Signed again for each attempt: a receiver refuses a signature that is more than five minutes old. */
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
