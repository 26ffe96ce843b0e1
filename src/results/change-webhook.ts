/** Changes endpoints, one statement for each way. */

import { persistOr503 } from "./d1.ts";
import { WEBHOOK_COLUMNS, type WebhookRow } from "./webhook-row.ts";

/** What is undefined stays as it is. `events` is a JSON array. */
export interface WebhookChange {
  url?: string | undefined;
  events?: string | undefined;
  description?: string | undefined;
  payload?: "full" | "thin" | undefined;
  paused?: boolean | undefined;
}

// A new address, and one that listens again, start without a history of failures.
const CHANGE = `
UPDATE webhooks SET url = COALESCE(?3, url), events = COALESCE(?4, events),
  description = COALESCE(?5, description), payload = COALESCE(?6, payload),
  paused = COALESCE(?7, paused), paused_reason = CASE WHEN ?7 IS NULL THEN paused_reason END,
  failing_since = CASE WHEN ?7 = 0 AND paused = 1 OR ?3 <> url THEN NULL ELSE failing_since END
WHERE tenant = ?1 AND id = ?2 RETURNING ${WEBHOOK_COLUMNS}`;

/** The endpoint as it is now, or null where the tenant has none of this id. */
export async function changeWebhook(
  db: D1Database,
  tenant: string,
  id: string,
  change: WebhookChange,
): Promise<WebhookRow | null> {
  const { url = null, events = null, description = null, payload = null, paused } = change;
  const pausedTo = paused === undefined ? null : Number(paused);
  return persistOr503(() =>
    db.prepare(CHANGE).bind(tenant, id, url, events, description, payload, pausedTo).first<WebhookRow>(),
  );
}

const ROTATE = `
UPDATE webhooks SET secrets = (
  SELECT json_group_array(json(secret)) FROM (
    SELECT json_object('secret', ?3, 'expiresAt', NULL) AS secret
    UNION ALL
    SELECT json_object('secret', value->>'secret', 'expiresAt', MIN(COALESCE(value->>'expiresAt', ?4), ?4))
    FROM json_each(webhooks.secrets) WHERE COALESCE(value->>'expiresAt', ?4) > ?5))
WHERE tenant = ?1 AND id = ?2 AND secrets->'$[0]'->>'secret' <> ?3`;

/** The endpoint signs with `secret` from now on, and until `overlapUntil` with those before it too. Safe to repeat. */
export async function rotateSecret(
  db: D1Database,
  tenant: string,
  id: string,
  secret: string,
  overlapUntil: number,
  now: number,
): Promise<void> {
  await persistOr503(() => db.prepare(ROTATE).bind(tenant, id, secret, overlapUntil, now).run());
}
