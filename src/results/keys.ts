/** API keys as they lie in D1: of the key itself only its hash. Instants are ms since the epoch. */

import type { Scope } from "../contract/scope.ts";
import { persistOr503 } from "./d1.ts";

export interface StoredKey {
  id: string;
  tenant: string;
  name: string;
  /** The key's first characters, to know it by. */
  prefix: string;
  scopes: Scope[];
  /** Whether its requests are counted. */
  rateLimited: boolean;
  createdAt: number;
  expiresAt: number | null;
  revokedAt: number | null;
}

interface KeyRow extends Omit<StoredKey, "scopes" | "rateLimited"> {
  scopes: string;
  rateLimited: number;
}

const COLUMNS = `id, tenant, name, prefix, scopes, rate_limited AS rateLimited, created_at AS createdAt,
  expires_at AS expiresAt, revoked_at AS revokedAt`;

/** Stores a new key. Safe to repeat. */
export async function insertKey(db: D1Database, key: StoredKey, hash: string): Promise<void> {
  await persistOr503(() =>
    db
      .prepare(
        `INSERT INTO keys (id, tenant, name, prefix, hash, scopes, rate_limited, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING`,
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
      )
      .run(),
  );
}

/** The key with this hash, whatever has become of it. */
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

/** Revokes a key for good and answers its hash; null where there is none of this id. A null tenant stands for all. */
export async function markRevoked(
  db: D1Database,
  tenant: string | null,
  id: string,
  now: number,
): Promise<string | null> {
  return persistOr503(() =>
    db
      .prepare(
        `UPDATE keys SET revoked_at = COALESCE(revoked_at, ?3) WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)
         RETURNING hash`,
      )
      .bind(id, tenant, now)
      .first<string>("hash"),
  );
}

function fromRow(row: KeyRow): StoredKey {
  return { ...row, scopes: JSON.parse(row.scopes) as Scope[], rateLimited: row.rateLimited === 1 };
}
