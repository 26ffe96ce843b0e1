/** Changes endpoints, with a statement for each kind of change. */

import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";
import { WEBHOOK_COLUMNS, type WebhookRow } from "./row.ts";

/** What is undefined stays as it is. `events` is a JSON array. */
export interface WebhookChange {
  url?: string | undefined;
  events?: string | undefined;
  description?: string | undefined;
  payload?: "full" | "thin" | undefined;
  paused?: boolean | undefined;
}

// An endpoint with a new address, or one that listens again, starts without a history of failures.
const CHANGE = `
UPDATE webhooks SET url = COALESCE(?3, url), events = COALESCE(?4, events),
  description = COALESCE(?5, description), payload = COALESCE(?6, payload),
  paused = COALESCE(?7, paused), paused_reason = CASE WHEN ?7 IS NULL THEN paused_reason END,
  failing_since = CASE WHEN ?7 = 0 AND paused = 1 OR ?3 <> url THEN NULL ELSE failing_since END
WHERE tenant = ?1 AND id = ?2 RETURNING ${WEBHOOK_COLUMNS}`;

/** Whether `CHANGE` changes anything. */
const DIFFERS = `
SELECT COUNT(*) FROM webhooks WHERE tenant = ?1 AND id = ?2
  AND (?3 IS NOT NULL AND url <> ?3 OR ?4 IS NOT NULL AND events <> ?4 OR ?5 IS NOT NULL AND description <> ?5
    OR ?6 IS NOT NULL AND payload <> ?6 OR ?7 IS NOT NULL AND paused <> ?7)`;

/** The endpoint as it is now, or null where the tenant has none of this id. */
export async function changeWebhook(
  db: D1Database,
  tenant: string,
  id: string,
  change: WebhookChange,
  audit: Audit | null = null,
): Promise<WebhookRow | null> {
  const { url = null, events = null, description = null, payload = null, paused } = change;
  const pausedTo = paused === undefined ? null : Number(paused);
  const values = [tenant, id, url, events, description, payload, pausedTo];
  const entry = auditStatements(db, audit, DIFFERS, values);
  const batch = new Batch(db);
  batch.add(...entry);
  const changed = batch.first<WebhookRow>(db.prepare(CHANGE).bind(...values));
  await batch.run(persistOr503);
  return changed();
}

/** Pauses an endpoint that is to be removed; answers whether there is one. */
export async function beginRemoval(
  db: D1Database,
  tenant: string,
  id: string,
  audit: Audit | null = null,
): Promise<boolean> {
  const which = "tenant = ?1 AND id = ?2";
  // A removal that is repeated, because the first was cut off, leaves no second audit entry.
  const isNews = `SELECT COUNT(*) FROM webhooks WHERE ${which} AND NOT (paused = 1 AND paused_reason IS ?3)`;
  const values = [tenant, id, "it is being removed"];
  const entry = auditStatements(db, audit, isNews, values);
  const batch = new Batch(db);
  batch.add(...entry);
  const paused = batch.changes(
    db.prepare(`UPDATE webhooks SET paused = 1, paused_reason = ?3 WHERE ${which}`).bind(...values),
  );
  await batch.run(persistOr503);
  return paused() > 0;
}

const ROTATES = "tenant = ?1 AND id = ?2 AND secrets->'$[0]'->>'secret' <> ?3";

const ROTATE = `
UPDATE webhooks SET secrets = (
  SELECT json_group_array(json(secret)) FROM (
    SELECT json_object('secret', ?3, 'expiresAt', NULL) AS secret
    UNION ALL
    SELECT json_object('secret', value->>'secret', 'expiresAt', MIN(COALESCE(value->>'expiresAt', ?4), ?4))
    FROM json_each(webhooks.secrets) WHERE COALESCE(value->>'expiresAt', ?4) > ?5))
WHERE ${ROTATES}`;

/** Stores the same secrets in another form; changes nothing where they have changed since they were read. */
export async function replaceSecrets(
  db: D1Database,
  tenant: string,
  id: string,
  read: string,
  secrets: string,
): Promise<void> {
  await persistOr503(() =>
    db
      .prepare("UPDATE webhooks SET secrets = ?4 WHERE tenant = ?1 AND id = ?2 AND secrets = ?3")
      .bind(tenant, id, read, secrets)
      .run(),
  );
}

/** The endpoint signs with `secret` from now on, and until `overlapUntil` with those before it too. Safe to repeat. */
export async function rotateSecret(
  db: D1Database,
  tenant: string,
  id: string,
  secret: string,
  overlapUntil: number,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, `SELECT COUNT(*) FROM webhooks WHERE ${ROTATES}`, [tenant, id, secret]),
      db.prepare(ROTATE).bind(tenant, id, secret, overlapUntil, now),
    ]),
  );
}
