/** What the operations on endpoints have in common. */

import { DEFAULT_WEBHOOK } from "../../core/webhook.ts";
import { isWebhookId } from "../../engine/webhooks/ids.ts";
import { newWebhookSecret, sealEndpointSecret } from "../../engine/webhooks/secret.ts";
import { whyNoTarget } from "../../engine/webhooks/target.ts";
import { readWebhook } from "../../results/webhooks/read.ts";
import { ensureDefault } from "../../results/webhooks/store.ts";
import type { WebhookRow } from "../../results/webhooks/row.ts";
import type { Principal } from "../principal.ts";
import { refuse } from "../problem.ts";

/** The tenant's endpoint; 404 where there is none. The default endpoint is created at its first use. */
export async function findWebhook(env: Env, principal: Principal, id: string): Promise<WebhookRow> {
  if (id === DEFAULT_WEBHOOK) {
    const secret = await sealEndpointSecret(env, principal.tenant, id, newWebhookSecret());
    return ensureDefault(env.DB, principal.tenant, secret, Date.now());
  }
  const row = isWebhookId(id) ? await readWebhook(env.DB, principal.tenant, id) : null;
  return row ?? noSuchWebhook();
}

export function noSuchWebhook(): never {
  refuse("not-found", "There is no webhook with this id.");
}

/** The default endpoint has no address of its own: it can be neither changed nor removed nor tested. */
export function refuseDefault(id: string): void {
  if (id !== DEFAULT_WEBHOOK) return;
  refuse(
    "webhook-conflict",
    "The default webhook only holds the secret of submissions' own webhooks; it can be rotated.",
  );
}

/** 422 for an address to which no webhook may be sent. */
export function checkTarget(env: Env, url: string): void {
  const reason = whyNoTarget(env, url);
  if (reason === null) return;
  refuse("invalid-body", "Webhooks do not go to this address.", [{ pointer: "/url", detail: reason }]);
}
