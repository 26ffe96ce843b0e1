/** Stores what deliveries find out about their endpoint. Nothing is written where nothing changes. */

import { GIVE_UP_AFTER_MS } from "../../core/webhook.ts";
import { auditStatements, type Audit } from "../audit.ts";
import { persist } from "../d1.ts";

const FAILED = `
UPDATE webhooks SET
  failing_since = COALESCE(failing_since, ?3),
  paused = CASE WHEN failing_since <= ?4 THEN 1 ELSE paused END,
  paused_reason = CASE WHEN failing_since <= ?4
    THEN 'every attempt since ' || strftime('%Y-%m-%dT%H:%M:%fZ', failing_since / 1000.0, 'unixepoch') || ' has failed'
    ELSE paused_reason END
WHERE tenant = ?1 AND id = ?2 AND (failing_since IS NULL OR (failing_since <= ?4 AND paused = 0))`;

/** Notes a failed attempt: the endpoint is failing from then on, and is paused after {@link GIVE_UP_AFTER_MS}. */
export async function noteEndpointFailure(
  db: D1Database,
  tenant: string,
  id: string,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const since = now - GIVE_UP_AFTER_MS;
  const isPaused = "SELECT COUNT(*) FROM webhooks WHERE tenant = ?1 AND id = ?2 AND failing_since <= ?3 AND paused = 0";
  await persist(() =>
    db.batch([
      ...auditStatements(db, audit, isPaused, [tenant, id, since]),
      db.prepare(FAILED).bind(tenant, id, now, since),
    ]),
  );
}

/** Notes an attempt that the receiver accepted: the endpoint is no longer failing. */
export async function noteEndpointSuccess(db: D1Database, tenant: string, id: string): Promise<void> {
  await persist(() =>
    db
      .prepare("UPDATE webhooks SET failing_since = NULL WHERE tenant = ?1 AND id = ?2 AND failing_since IS NOT NULL")
      .bind(tenant, id)
      .run(),
  );
}

/** Pauses an endpoint that listens; the reason is shown with it. */
export async function pauseWebhook(
  db: D1Database,
  tenant: string,
  id: string,
  reason: string,
  audit: Audit | null = null,
): Promise<void> {
  const listens = "tenant = ?1 AND id = ?2 AND paused = 0";
  await persist(() =>
    db.batch([
      ...auditStatements(db, audit, `SELECT COUNT(*) FROM webhooks WHERE ${listens}`, [tenant, id]),
      db.prepare(`UPDATE webhooks SET paused = 1, paused_reason = ?3 WHERE ${listens}`).bind(tenant, id, reason),
    ]),
  );
}
