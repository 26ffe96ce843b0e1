/** Sends an endpoint a test event. */

import { TEST_EVENT } from "../../core/webhook.ts";
import type { Audit } from "../../results/audit.ts";
import { storeDeliveries } from "../../results/webhooks/store-deliveries.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";
import { announce } from "../announce.ts";
import { newTaskIds } from "../ids.ts";
import { messageIdOf } from "./ids.ts";
import type { Background } from "../store.ts";
import { newDelivery } from "./delivery.ts";

/** Answers the id of the message. A paused endpoint gets it too. */
export async function testWebhook(
  env: Env,
  background: Background,
  webhook: WebhookRow,
  now: number,
  audit: Audit | null = null,
): Promise<string> {
  const listener = { tenant: webhook.tenant, webhookId: webhook.id, payload: webhook.payload };
  const happening = { type: TEST_EVENT, at: now, task: null, data: { webhookId: webhook.id } };
  const { task, entry } = newDelivery(listener, happening, newTaskIds(1)[0]!, now);
  await storeDeliveries(env.DB, [task], [entry], [], new Map(), now, audit);
  background.waitUntil(announce(env, { moved: [task] }, now));
  return messageIdOf(task.id);
}
