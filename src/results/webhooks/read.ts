/** Reads endpoints, one or a page of them; only ever those of one tenant. */

import { DEFAULT_WEBHOOK } from "../../core/webhook.ts";
import { persist, persistOr503 } from "../d1.ts";
import { WEBHOOK_COLUMNS, type WebhookRow } from "./row.ts";

export async function readWebhook(db: D1Database, tenant: string, id: string): Promise<WebhookRow | null> {
  return persistOr503(() =>
    db
      .prepare(`SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE tenant = ?1 AND id = ?2`)
      .bind(tenant, id)
      .first<WebhookRow>(),
  );
}

/** After every id of an endpoint. */
const NEWEST = "whk_z";

/** A page, newest first, of the endpoints before `cursor` (an id). The default one is not among them. */
export async function listWebhooks(
  db: D1Database,
  tenant: string,
  cursor: string | null,
  limit: number,
): Promise<WebhookRow[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT ${WEBHOOK_COLUMNS} FROM webhooks
         WHERE tenant = ?1 AND id < ?2 AND id <> '${DEFAULT_WEBHOOK}' ORDER BY id DESC LIMIT ?3`,
      )
      .bind(tenant, cursor ?? NEWEST, limit)
      .all<WebhookRow>(),
  );
  return results;
}

/** Endpoints of all tenants, the default ones too, after this one. For the system's own use. */
export async function walkWebhooks(db: D1Database, tenant: string, id: string, limit: number): Promise<WebhookRow[]> {
  const { results } = await persist(() =>
    db
      .prepare(`SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id LIMIT ?3`)
      .bind(tenant, id, limit)
      .all<WebhookRow>(),
  );
  return results;
}
