/** The client's verbs on webhooks. All need the scope `admin`. */

import type {
  DefaultWebhook,
  DeliveryResource,
  NewWebhook,
  WebhookResource,
  WebhookWithSecret,
} from "../contract/webhook.ts";
import type { CallOptions, Connection } from "./connection.ts";
import { inAll } from "./in-all.ts";
import type { Pages } from "./pages.ts";
import { resource, type ListOptions } from "./resource.ts";
import type { BulkResult } from "./task-types.ts";

export interface WebhookVerbs {
  /**
   * Registers an endpoint. Its `secret` is in this answer and never again.
   *
   * @example
   * const { id, secret } = await client.webhooks.create({ url: "https://example.com/hooks", events: ["task.failed"] });
   * console.log(id, secret);
   */
  create(webhook: NewWebhook, options?: CallOptions): Promise<WebhookWithSecret>;
  /** Lists endpoints, newest first. */
  list(options?: ListOptions): Pages<WebhookResource>;
  get(id: string, options?: CallOptions): Promise<WebhookResource>;
  /** What signs the webhooks of submissions that bring no secret of their own. */
  getDefault(options?: CallOptions): Promise<DefaultWebhook>;
  /** Changes an endpoint; `paused` pauses and resumes it. */
  update(
    id: string,
    changes: Partial<NewWebhook> & { paused?: boolean },
    options?: CallOptions,
  ): Promise<WebhookResource>;
  delete(id: string, options?: CallOptions): Promise<void>;
  /** Makes a new secret; the old one is valid for 24 hours more. */
  rotate(id: string, options?: CallOptions): Promise<WebhookWithSecret>;
  /** Sends a test event. */
  test(id: string, options?: CallOptions): Promise<DeliveryResource>;
  /** Lists deliveries, newest first, each with its attempts. */
  deliveries(id: string, options?: ListOptions): Pages<DeliveryResource>;
  /** Makes a delivery again. */
  replayDelivery(id: string, deliveryId: string, options?: CallOptions): Promise<DeliveryResource>;
  /** Makes all deliveries of a time again; both ends (ISO 8601) belong to it. */
  replay(id: string, range: { since: string; until?: string }, options?: CallOptions): Promise<BulkResult>;
}

export function webhookVerbs(connection: Connection): WebhookVerbs {
  const { send, list } = resource(connection, "/v1/webhooks");
  return {
    create: async (webhook, { signal } = {}) => send("POST", [], { body: webhook, signal }),
    list: (options) => list([], options),
    get: async (id, { signal } = {}) => send("GET", [id], { signal }),
    getDefault: async ({ signal } = {}) => send("GET", ["default"], { signal }),
    update: async (id, changes, { signal } = {}) => send("PATCH", [id], { body: changes, signal }),
    delete: async (id, { signal } = {}) => send("DELETE", [id], { signal }),
    rotate: async (id, { signal } = {}) => send("POST", [id, "rotate"], { signal }),
    test: async (id, { signal } = {}) => send("POST", [id, "test"], { signal }),
    deliveries: (id, options) => list([id, "deliveries"], options),
    replayDelivery: async (id, delivery, { signal } = {}) =>
      send("POST", [id, "deliveries", delivery, "replay"], { signal }),
    replay: async (id, range, { signal } = {}) =>
      inAll((cursor) => send("POST", [id, "replay"], { body: { ...range, cursor }, signal })),
  };
}
