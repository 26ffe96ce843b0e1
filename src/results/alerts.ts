/** Alerts that are raised, and the endpoints that are told of them. */

import type { Alert } from "../core/alerts.ts";
import type { Fact } from "../core/health-fact.ts";
import { Batch, persist } from "./d1.ts";
import { WEBHOOK_COLUMNS, type WebhookRow } from "./webhooks/row.ts";

// A partial index is used only where the query has its condition word for word.
const LISTENS = `instr(events, '"alert.') > 0`;

/** Answers a row where a tenant is to be looked at for alerts: an endpoint listens, or an alert has not been closed. */
export const WATCHED = `SELECT 1 FROM webhooks WHERE ${LISTENS} UNION ALL SELECT 1 FROM alerts LIMIT 1`;

/** The first `limit` of those tenants after `after`, in the order of their names. */
export async function readWatched(db: D1Database, after: string, limit: number): Promise<string[]> {
  const sql = `
    SELECT tenant FROM (SELECT DISTINCT tenant FROM webhooks WHERE ${LISTENS} AND tenant > ?1 ORDER BY tenant LIMIT ?2)
    UNION SELECT tenant FROM (SELECT DISTINCT tenant FROM alerts WHERE tenant > ?1 ORDER BY tenant LIMIT ?2)
    ORDER BY tenant LIMIT ?2`;
  const { results } = await persist(() => db.prepare(sql).bind(after, limit).all<{ tenant: string }>());
  return results.map((row) => row.tenant);
}

interface AlertRow extends Omit<Alert, "isTold" | "fact"> {
  told: 0 | 1;
  fact: string;
}

const ALERTS = `
SELECT code, subject, raised_at AS raisedAt, closed_at AS closedAt, told, fact FROM alerts WHERE tenant = ?1`;

function alertOf({ told, fact, ...row }: AlertRow): Alert {
  return { ...row, isTold: told === 1, fact: JSON.parse(fact) as Fact };
}

/** The tenant's alerts, and its endpoints that listen to some, paused or not. */
export async function readAlerts(db: D1Database, tenant: string): Promise<{ alerts: Alert[]; webhooks: WebhookRow[] }> {
  const batch = new Batch(db);
  const alerts = batch.rows<AlertRow>(db.prepare(ALERTS).bind(tenant));
  const webhooks = batch.rows<WebhookRow>(
    db.prepare(`SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE ${LISTENS} AND tenant = ?1`).bind(tenant),
  );
  await batch.run(persist);
  return { alerts: alerts().map(alertOf), webhooks: webhooks() };
}

const RAISE = `
INSERT INTO alerts (tenant, code, subject, raised_at, fact)
SELECT ?1, value->>'code', value->>'subject', value->>'raisedAt', value->>'fact' FROM json_each(?2) WHERE true
ON CONFLICT DO NOTHING`;

const CLOSE = `
UPDATE alerts SET closed_at = v.value->>'closedAt', told = 0 FROM json_each(?2) AS v
WHERE tenant = ?1 AND code = v.value->>'code' AND subject = v.value->>'subject' AND raised_at = v.value->>'raisedAt'
  AND closed_at IS NULL AND told = 1`;

/** Stores what a look has found, and answers all alerts of the tenant as they are then. Safe to repeat. */
export async function storeAlerts(
  db: D1Database,
  tenant: string,
  { raised, closed }: { raised: readonly Alert[]; closed: readonly Alert[] },
): Promise<Alert[]> {
  const batch = new Batch(db);
  batch.add(
    db.prepare(RAISE).bind(tenant, JSON.stringify(raised)),
    db.prepare(CLOSE).bind(tenant, JSON.stringify(closed)),
  );
  const alerts = batch.rows<AlertRow>(db.prepare(ALERTS).bind(tenant));
  await batch.run(persist);
  return alerts().map(alertOf);
}

// The end of an alert that was closed meanwhile is not told yet.
const TOLD = `tenant = ?1 AND (code, subject, raised_at, closed_at IS NULL) IN (
  SELECT value->>'code', value->>'subject', value->>'raisedAt', value->>'closedAt' IS NULL FROM json_each(?2))`;

/** Notes that the endpoints have been told of these as they are; one that is closed is forgotten. Safe to repeat. */
export async function markTold(db: D1Database, tenant: string, alerts: readonly Alert[]): Promise<void> {
  const list = JSON.stringify(alerts);
  await persist(() =>
    db.batch([
      db.prepare(`DELETE FROM alerts WHERE ${TOLD} AND closed_at IS NOT NULL`).bind(tenant, list),
      db.prepare(`UPDATE alerts SET told = 1 WHERE ${TOLD} AND closed_at IS NULL AND told = 0`).bind(tenant, list),
    ]),
  );
}
