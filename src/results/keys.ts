/** API keys as they lie in D1: of the key itself only its hash. Instants are ms since the epoch. */

import type { Scope } from "../contract/scope.ts";
import { auditStatements, type Audit } from "./audit.ts";
import { Batch, persistOr503 } from "./d1.ts";

/** Stands in the place of a key's id for the service's own key, which is stored nowhere. */
export const DEPLOYMENT = "deployment";

export interface StoredKey {
  id: string;
  tenant: string;
  name: string;
  /** The key's first characters, to recognize it by. */
  prefix: string;
  scopes: Scope[];
  /** Whether its requests are counted. */
  rateLimited: boolean;
  /** The key whose requests they are counted with; null: they are counted alone. */
  rateOf: string | null;
  /** The key that has made it, or {@link DEPLOYMENT}; null where it was made before that was kept. */
  createdBy: string | null;
  createdAt: number;
  expiresAt: number | null;
  revokedAt: number | null;
}

interface KeyRow extends Omit<StoredKey, "scopes" | "rateLimited"> {
  scopes: string;
  rateLimited: number;
}

const COLUMNS = `id, tenant, name, prefix, scopes, rate_limited AS rateLimited, rate_of AS rateOf, created_by AS createdBy, created_at AS createdAt,
  expires_at AS expiresAt, revoked_at AS revokedAt`;

/** Stores a new key, unless the key that makes it has ended; answers whether it is stored. Safe to repeat. */
export async function insertKey(
  db: D1Database,
  key: StoredKey,
  hash: string,
  audit: Audit | null = null,
): Promise<boolean> {
  const mayBe = `(?2 = '${DEPLOYMENT}' OR EXISTS
    (SELECT 1 FROM keys WHERE id = ?2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)))`;
  const isNew = `SELECT ${mayBe} AND NOT EXISTS (SELECT 1 FROM keys WHERE id = ?1)`;
  const entry = auditStatements(db, audit, isNew, [key.id, key.createdBy, key.createdAt]);
  const batch = new Batch(db);
  batch.add(...entry);
  const stored = batch.first(
    db
      .prepare(
        `INSERT INTO keys (id, tenant, name, prefix, hash, scopes, rate_limited, created_at, expires_at, created_by, rate_of, checked)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1
         WHERE ?10 = '${DEPLOYMENT}' OR EXISTS
           (SELECT 1 FROM keys WHERE id = ?10 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?8))
         ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING id`,
      )
      .bind(
        key.id,
        key.tenant,
        key.name,
        key.prefix,
        hash,
        JSON.stringify(key.scopes),
        Number(key.rateLimited),
        key.createdAt,
        key.expiresAt,
        key.createdBy,
        key.rateOf,
      ),
  );
  await batch.run(persistOr503);
  return stored() !== null;
}

/** Whether any key may still be in use that was made before keys had a checksum. */
export async function hasUncheckedKeys(db: D1Database): Promise<boolean> {
  const found = await persistOr503(() =>
    db.prepare("SELECT 1 AS found FROM keys WHERE checked = 0 AND revoked_at IS NULL LIMIT 1").first("found"),
  );
  return found !== null;
}

/** The key with this hash, even one that is revoked or has expired. */
export async function readKeyByHash(db: D1Database, hash: string): Promise<StoredKey | null> {
  const row = await persistOr503(() =>
    db.prepare(`SELECT ${COLUMNS} FROM keys WHERE hash = ?1`).bind(hash).first<KeyRow>(),
  );
  return row && fromRow(row);
}

/** The key of this id; null where it is not this tenant's. A null tenant stands for all. */
export async function readKey(db: D1Database, tenant: string | null, id: string): Promise<StoredKey | null> {
  const row = await persistOr503(() =>
    db
      .prepare(`SELECT ${COLUMNS} FROM keys WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)`)
      .bind(id, tenant)
      .first<KeyRow>(),
  );
  return row && fromRow(row);
}

/** After every id of a key. */
const NEWEST = "key_z";

/** A page of a tenant's keys, newest first, before `cursor` (an id). A null tenant stands for all. */
export async function listKeys(
  db: D1Database,
  tenant: string | null,
  cursor: string | null,
  limit: number,
): Promise<StoredKey[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT ${COLUMNS} FROM keys WHERE ${tenant === null ? "?1 IS NULL" : "tenant = ?1"} AND id < ?2
         ORDER BY id DESC LIMIT ?3`,
      )
      .bind(tenant, cursor ?? NEWEST, limit)
      .all<KeyRow>(),
  );
  return results.map(fromRow);
}

// An entry for each key that ends. Keys that end with the revoked one get entries with ids of their own, of the same time.
const ENDED_ENTRIES = `
INSERT INTO audit (id, tenant, at, actor_kind, actor_id, action, target, detail, ip)
SELECT CASE keys.id WHEN ?1 THEN entry->>'id' ELSE substr(entry->>'id', 1, 16) || lower(hex(randomblob(8))) END,
  keys.tenant, entry->>'at', entry->>'actorKind', entry->>'actorId', entry->>'action', keys.id,
  CASE keys.id WHEN ?1 THEN entry->>'detail' ELSE json_object('name', keys.name, 'with', ?1) END, entry->>'ip'
FROM keys CROSS JOIN (SELECT ?3 AS entry) WHERE keys.id IN (SELECT id FROM ended) AND keys.revoked_at IS NULL`;

/**
 * Revokes a key for good, and all keys that it has made, and that these have made; answers which. None where there is no key of this
 * id. A null tenant stands for all.
 */
export async function markRevoked(
  db: D1Database,
  tenant: string | null,
  id: string,
  now: number,
  audit: Audit | null = null,
): Promise<{ id: string; hash: string }[]> {
  const which = "id = ?1 AND (?2 IS NULL OR tenant = ?2)";
  const ended = `WITH RECURSIVE ended (id) AS (
    SELECT id FROM keys WHERE ${which} UNION SELECT keys.id FROM ended JOIN keys ON keys.created_by = ended.id)`;
  const batch = new Batch(db);
  if (audit !== null) batch.add(db.prepare(`${ended} ${ENDED_ENTRIES}`).bind(id, tenant, JSON.stringify(audit)));
  const revoked = batch.rows<{ id: string; hash: string }>(
    db
      .prepare(
        `${ended}
           UPDATE keys SET revoked_at = COALESCE(revoked_at, ?3) WHERE id IN (SELECT id FROM ended) RETURNING id, hash`,
      )
      .bind(id, tenant, now),
  );
  await batch.run(persistOr503);
  return revoked();
}

function fromRow(row: KeyRow): StoredKey {
  return { ...row, scopes: JSON.parse(row.scopes) as Scope[], rateLimited: row.rateLimited === 1 };
}
