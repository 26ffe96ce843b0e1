/** Webhooks: the endpoints of a tenant, and the deliveries to them. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";
import { STATES } from "../core/states.ts";
import { ENDPOINT_EVENTS, TEST_EVENT, WEBHOOK_EVENTS } from "../core/webhook.ts";

const instant = z.iso.datetime();

/** Checks only the form; the deployment decides which targets are allowed. */
const webhookUrlSchema = z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).max(2_048);

const webhookEventsSchema = z.array(z.enum(WEBHOOK_EVENTS)).min(1).max(WEBHOOK_EVENTS.length);

/** Bytes of a signing secret, by the specification of Standard Webhooks. */
const SECRET_BYTES = { min: 24, max: 64 } as const;

export const webhookSecretSchema = z
  .string()
  .refine(isSecret, `"whsec_" and the base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} random bytes`);

/** `options.webhook` of a submission: told of this one task's end. */
export const taskWebhookSchema = z
  .strictObject({
    url: webhookUrlSchema,
    /** All, unless given. */
    events: webhookEventsSchema.optional(),
    /** Signs instead of the tenant's default secret. Never shown back. */
    secret: webhookSecretSchema.optional(),
  })
  .meta({ id: "TaskWebhook" });

export const newWebhookSchema = z
  .strictObject({
    url: webhookUrlSchema,
    events: z.array(z.enum(ENDPOINT_EVENTS)).min(1).max(ENDPOINT_EVENTS.length).optional(),
    description: z.string().max(500).optional(),
    /** `thin` leaves the task's input and result out. */
    payload: z.enum(["full", "thin"]).optional(),
  })
  .meta({ id: "NewWebhook" });

export type NewWebhook = z.input<typeof newWebhookSchema>;

export const webhookChangesSchema = newWebhookSchema
  .partial()
  .extend({ paused: z.boolean().optional() })
  .refine((changes) => Object.keys(changes).length > 0, "name at least one member")
  .meta({ id: "WebhookChanges" });

export type WebhookChanges = z.output<typeof webhookChangesSchema>;

export const webhookSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    events: z.array(z.enum(ENDPOINT_EVENTS)),
    description: z.string(),
    payload: z.enum(["full", "thin"]),
    paused: z.boolean(),
    /** Why the system paused it; null where a request did. */
    pausedReason: z.string().nullable(),
    /** Since when every attempt has failed. */
    failingSince: instant.nullable(),
    createdAt: instant,
  })
  .meta({ id: "Webhook" });

export type WebhookResource = z.output<typeof webhookSchema>;

/** An endpoint with its secret, which is shown when it is made and never again. */
export const webhookWithSecretSchema = webhookSchema.extend({ secret: z.string() }).meta({ id: "WebhookWithSecret" });

export type WebhookWithSecret = z.output<typeof webhookWithSecretSchema>;

export const webhookListSchema = z
  .object({ items: z.array(webhookSchema), nextCursor: z.string().nullable() })
  .meta({ id: "WebhookList" });

/** What signs the webhooks of submissions that bring no secret. */
export const defaultWebhookSchema = z
  .object({ id: z.literal("default"), secret: z.string(), createdAt: instant })
  .meta({ id: "DefaultWebhook" });

export type DefaultWebhook = z.output<typeof defaultWebhookSchema>;

export const deliverySchema = z
  .object({
    /** The `webhook-id` of every request of this delivery. */
    id: z.string(),
    type: z.enum([...ENDPOINT_EVENTS, TEST_EVENT]),
    /** Null for an alert and a test event. */
    taskId: z.string().nullable(),
    url: z.string(),
    state: z.enum(STATES),
    attempts: z.array(
      z.object({
        at: instant,
        /** What the receiver answered; null where it did not. */
        status: z.int().nullable(),
        /** Null where it took the delivery. */
        error: z.string().nullable(),
      }),
    ),
    nextAttemptAt: instant.nullable(),
    createdAt: instant,
  })
  .meta({ id: "Delivery" });

export type DeliveryResource = z.output<typeof deliverySchema>;

export const deliveryListSchema = z
  .object({ items: z.array(deliverySchema), nextCursor: z.string().nullable() })
  .meta({ id: "DeliveryList" });

/** A delivery as it is listed with its task. */
export const taskDeliverySchema = deliverySchema
  .extend({
    webhookId: z.string().describe("The endpoint; `default` for the webhook of the submission itself"),
    request: z.unknown().describe("The JSON of the body that was sent; null where it is too large for a list"),
  })
  .meta({ id: "TaskDelivery" });

export type TaskDelivery = z.output<typeof taskDeliverySchema>;

export const taskDeliveryListSchema = z
  .object({ items: z.array(taskDeliverySchema), nextCursor: z.string().nullable() })
  .meta({ id: "TaskDeliveryList" });

function isSecret(text: string): boolean {
  const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1];
  if (base64 === undefined || base64.length % 4 !== 0) return false;
  const bytes = (base64.length / 4) * 3 - (base64.length - base64.replaceAll("=", "").length);
  return bytes >= SECRET_BYTES.min && bytes <= SECRET_BYTES.max;
}
