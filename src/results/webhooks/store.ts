/** Stores endpoints. */

import { DEFAULT_WEBHOOK, MAX_WEBHOOKS, type WebhookSecret } from "../../core/webhook.ts";
import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";
import { WEBHOOK_COLUMNS, type WebhookRow } from "./row.ts";

export type NewWebhook = Omit<WebhookRow, "paused" | "pausedReason" | "failingSince">;

const INSERT = "INSERT INTO webhooks (tenant, id, url, events, description, payload, secrets, created_at)";

const READ = `SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE tenant = ?1 AND id = ?2`;

const HAS_ROOM = `(SELECT COUNT(*) FROM webhooks WHERE tenant = ?1 AND id <> '${DEFAULT_WEBHOOK}') < ${MAX_WEBHOOKS}`;

/** Stores a new endpoint and answers it; null where the tenant has as many as it may. Safe to repeat. */
export async function insertWebhook(
  db: D1Database,
  webhook: NewWebhook,
  audit: Audit | null = null,
): Promise<WebhookRow | null> {
  const { tenant, id, url, events, description, payload, secrets, createdAt } = webhook;
  const entry = auditStatements(
    db,
    audit,
    `SELECT ${HAS_ROOM} AND NOT EXISTS (SELECT 1 FROM webhooks WHERE tenant = ?1 AND id = ?2)`,
    [tenant, id],
  );
  const batch = new Batch(db);
  batch.add(
    ...entry,
    db
      .prepare(
        `${INSERT} SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
         WHERE ${HAS_ROOM}
         ON CONFLICT DO NOTHING`,
      )
      .bind(tenant, id, url, events, description, payload, secrets, createdAt),
  );
  const stored = batch.first<WebhookRow>(db.prepare(READ).bind(tenant, id));
  await batch.run(persistOr503);
  return stored();
}

/** The statement that makes the tenant's default endpoint if it has none; otherwise nothing is written. */
export function insertDefault(db: D1Database, tenant: string, secret: string, now: number): D1PreparedStatement {
  const secrets: WebhookSecret[] = [{ secret, expiresAt: null }];
  return db
    .prepare(`${INSERT} VALUES (?1, '${DEFAULT_WEBHOOK}', '', '[]', '', 'full', ?2, ?3) ON CONFLICT DO NOTHING`)
    .bind(tenant, JSON.stringify(secrets), now);
}

/** The tenant's default endpoint; `secret` becomes its own if it is new. */
export async function ensureDefault(db: D1Database, tenant: string, secret: string, now: number): Promise<WebhookRow> {
  const batch = new Batch(db);
  batch.add(insertDefault(db, tenant, secret, now));
  const stored = batch.first<WebhookRow>(db.prepare(READ).bind(tenant, DEFAULT_WEBHOOK));
  await batch.run(persistOr503);
  return stored()!;
}
