/** The `webhooks` of the document: what the service sends (Standard Webhooks 1.0). */

import { TERMINAL_STATES } from "../../core/states.ts";
import { reference, type Json } from "./schema-book.ts";

const HEADERS = {
  "webhook-id": "The event's id, the same for every attempt to deliver it",
  "webhook-timestamp": "When this attempt was made, in seconds since the epoch",
  "webhook-signature": "`v1,` and the base64 of an HMAC-SHA256 over id, timestamp and body, for each valid secret",
};

/** A webhook for each way in which a task ends. */
export function webhooksObject(): Json {
  return Object.fromEntries(TERMINAL_STATES.map((state) => [`task.${state}`, { post: webhookOf(state) }]));
}

function webhookOf(state: string): Json {
  return {
    operationId: `onTask${state[0]!.toUpperCase()}${state.slice(1)}`,
    tags: ["webhooks"],
    summary: `A task has ended: ${state}`,
    description:
      "Sent to the tenant's endpoints and to the submission's own `options.webhook`. Verify the signature with any Standard Webhooks library; what is not answered with a 2xx is sent again. A payload is at most 1 MiB: of a larger task the largest members are null and named in `omitted`, and `links.self` has them.",
    security: [],
    parameters: Object.entries(HEADERS).map(([name, description]) => ({
      name,
      in: "header",
      required: true,
      description,
      schema: { type: "string" },
    })),
    requestBody: { required: true, content: { "application/json": { schema: payloadOf(state) } } },
    responses: {
      "2XX": { description: "Taken" },
      "4XX": { description: "Sent again later" },
    },
  };
}

function payloadOf(state: string): Json {
  return {
    type: "object",
    properties: {
      type: { type: "string", const: `task.${state}` },
      timestamp: { type: "string", format: "date-time" },
      data: reference("Task"),
    },
    required: ["type", "timestamp", "data"],
  };
}
