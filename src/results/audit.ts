/** The audit log: who changed what. An entry is stored in the transaction that makes the change, by a statement before it. */

import { Batch, persistOr503 } from "./d1.ts";

export type ActorKind = "key" | "link" | "system";

/** An entry that is about to be stored. `at` is ms since the epoch. */
export interface Audit {
  id: string;
  tenant: string;
  at: number;
  actorKind: ActorKind;
  actorId: string | null;
  action: string;
  target: string | null;
  /** Holds no secrets. */
  detail: Record<string, unknown> | null;
  ip: string | null;
  /** The change is made in pieces: each adds the number of things it changes to `changed` in the detail. */
  isCounted: boolean;
}

type Value = string | number | null;

/**
 * To be put before the statements of a batch that make the change. `count` (SQL) says how many things they will change: 0 leaves
 * no entry. Its parameters are `values`; it needs the guard of the change itself, so that a batch that is repeated, because its
 * answer was lost, finds nothing to change and leaves no second entry. Empty where `audit` is null.
 */
export function auditStatements(
  db: D1Database,
  audit: Audit | null | undefined,
  count: string,
  values: readonly Value[],
): D1PreparedStatement[] {
  if (!audit) return [];
  const sql = `
INSERT INTO audit (id, tenant, at, actor_kind, actor_id, action, target, detail, ip)
SELECT entry->>'id', entry->>'tenant', entry->>'at', entry->>'actorKind', entry->>'actorId', entry->>'action',
  entry->>'target', CASE WHEN entry->>'isCounted' THEN json_set(COALESCE(entry->>'detail', '{}'), '$.changed', changed)
    ELSE entry->>'detail' END, entry->>'ip'
FROM (SELECT ?${values.length + 1} AS entry, (${count}) AS changed) WHERE changed > 0
ON CONFLICT (id) DO UPDATE SET detail = json_set(detail, '$.changed', (detail->>'$.changed') + (excluded.detail->>'$.changed'))
WHERE detail->>'$.changed' IS NOT NULL`;
  return [db.prepare(sql).bind(...values, JSON.stringify(audit))];
}

/** Stores the entry of a change that was made outside of D1. Safe to repeat. */
export async function insertAudit(db: D1Database, audit: Audit): Promise<void> {
  await persistOr503(() => db.batch(auditStatements(db, audit, "SELECT 1", [])));
}

/** An entry as it lies in D1. */
export interface AuditRow extends Omit<Audit, "detail" | "isCounted"> {
  /** JSON text. */
  detail: string | null;
}

/** What a page of the log shows. Ids bound the time: from `from`, and before `before`. */
export interface AuditFilter {
  /** Null: every tenant's. */
  tenant: string | null;
  action?: string | undefined;
  actor?: string | undefined;
  target?: string | undefined;
  from: string;
  before: string;
}

/** Entries that one call looks at. */
const WINDOW = 1_000;

/** After every id of an entry. */
export const LATEST_AUDIT = "audit_z";

/**
 * A page, newest first, and the id before which the next page begins; null where that was all. It may hold fewer entries than
 * `limit`, even none, because a call looks at a bounded number.
 */
export async function listAudit(
  db: D1Database,
  filter: AuditFilter,
  limit: number,
): Promise<{ rows: AuditRow[]; next: string | null }> {
  const { tenant, action = null, actor = null, target = null, from, before } = filter;
  const seen = `SELECT * FROM audit WHERE ${tenant === null ? "?1 IS NULL" : "tenant = ?1"} AND id >= ?2 AND id < ?3
    ORDER BY id DESC LIMIT ${WINDOW}`;
  const window = [tenant, from, before];
  const batch = new Batch(db);
  const page = batch.rows<AuditRow>(
    db
      .prepare(
        `SELECT id, tenant, at, actor_kind AS actorKind, actor_id AS actorId, action, target, detail, ip FROM (${seen})
         WHERE (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR actor_id = ?5) AND (?6 IS NULL OR target = ?6)
         ORDER BY id DESC LIMIT ?7`,
      )
      .bind(...window, action, actor, target, limit + 1),
  );
  const looked = batch.first<{ count: number; last: string | null }>(
    db.prepare(`SELECT COUNT(*) AS count, MIN(id) AS last FROM (${seen})`).bind(...window),
  );
  await batch.run(persistOr503);
  const rows = page();
  const { count, last } = looked() ?? { count: 0, last: null };
  if (rows.length > limit) return { rows: rows.slice(0, limit), next: rows[limit - 1]!.id };
  return { rows, next: count === WINDOW ? last : null };
}

/** The latest entries in which changes are looked for. */
const LOOKED_BACK = 500;

// MAX() makes the other columns those of the latest entry.
const LATEST_CHANGES = `
SELECT MAX(id) AS id, target, at, actor_kind AS actorKind, actor_id AS actorId FROM (
  SELECT id, target, at, actor_kind, actor_id, action FROM audit WHERE tenant = ?1 ORDER BY id DESC LIMIT ${LOOKED_BACK})
WHERE action = ?2 AND target IN (SELECT value FROM json_each(?3)) GROUP BY target`;

/** The latest of the tenant's entries for each of these targets, where it is among the tenant's latest. */
export async function readLatestChanges(
  db: D1Database,
  tenant: string,
  action: string,
  targets: readonly string[],
): Promise<Pick<AuditRow, "id" | "target" | "at" | "actorKind" | "actorId">[]> {
  const read = db.prepare(LATEST_CHANGES).bind(tenant, action, JSON.stringify(targets));
  return (await persistOr503(() => read.all<Pick<AuditRow, "id" | "target" | "at" | "actorKind" | "actorId">>()))
    .results;
}

/** Removes entries whose retention is over: those before the id `before`. */
export function forgetAudit(db: D1Database, before: string, limit: number): D1PreparedStatement {
  return db
    .prepare("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < ?1 ORDER BY id LIMIT ?2)")
    .bind(before, limit);
}
