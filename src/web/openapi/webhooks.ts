/** The `webhooks` of the document: what the service sends (Standard Webhooks 1.0). */

import { alertSchema } from "../../contract/alert.ts";
import { ALERT_CODES, type AlertCode } from "../../core/alerts.ts";
import { TERMINAL_STATES } from "../../core/states.ts";
import { reference, type Json, type SchemaBook } from "./schema-book.ts";

const HEADERS = {
  "webhook-id": "The event's id, the same for every attempt to deliver it",
  "webhook-timestamp": "When this attempt was made, in seconds since the epoch",
  "webhook-signature": "`v1,` and the base64 of an HMAC-SHA256 over id, timestamp and body, for each valid secret",
};

/** A webhook for each way in which a task ends, and for each alert. */
export function webhooksObject(book: SchemaBook): Json {
  const alert = book.write(alertSchema, "output");
  return Object.fromEntries([
    ...TERMINAL_STATES.map((state) => [`task.${state}`, { post: taskWebhook(state) }]),
    ...ALERT_CODES.map((code) => [`alert.${code}`, { post: alertWebhook(code, alert) }]),
  ]) as Json;
}

function taskWebhook(state: string): Json {
  return webhookOf(
    `task.${state}`,
    `A task has ended: ${state}`,
    "Sent to the tenant's endpoints and to the submission's own `options.webhook`. Verify the signature with any Standard Webhooks library; what is not answered with a 2xx is sent again. A payload is at most 1 MiB: of a larger task the largest members are null and named in `omitted`, and `links.self` has them.",
    reference("Task"),
  );
}

function alertWebhook(code: AlertCode, alert: Json): Json {
  return webhookOf(
    `alert.${code}`,
    `A finding of the health report: ${code}`,
    "Sent to the tenant's endpoints that listen to it, once when it is raised and once when it is closed. What it means is said at `GET /v1/health/report`; the clock looks once a minute.",
    alert,
  );
}

function webhookOf(type: string, summary: string, description: string, data: Json): Json {
  const words = type.split(/[.-]/).map((word) => `${word[0]!.toUpperCase()}${word.slice(1)}`);
  return {
    operationId: `on${words.join("")}`,
    tags: ["webhooks"],
    summary,
    description,
    security: [],
    parameters: Object.entries(HEADERS).map(([name, description]) => ({
      name,
      in: "header",
      required: true,
      description,
      schema: { type: "string" },
    })),
    requestBody: { required: true, content: { "application/json": { schema: payloadOf(type, data) } } },
    responses: {
      "2XX": { description: "Taken" },
      "4XX": { description: "Sent again later" },
    },
  };
}

function payloadOf(type: string, data: Json): Json {
  return {
    type: "object",
    properties: {
      type: { type: "string", const: type },
      timestamp: { type: "string", format: "date-time" },
      data,
    },
    required: ["type", "timestamp", "data"],
  };
}
