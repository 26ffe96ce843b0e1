/** What each tenant uses of its quotas: a row that isolates add to, and that the clock's count replaces. */

import type { Use } from "../core/quotas.ts";
import { persist, persistOr503 } from "./d1.ts";

export interface TenantUse extends Use {
  tenant: string;
}

/** The tenant of the row that says when the last count ended. */
const NOBODY = "";

const ADD = `
INSERT INTO usage (tenant, tasks, bytes, signals)
SELECT v.value->>'tenant', MAX(0, v.value->>'tasks'), MAX(0, v.value->>'bytes'), MAX(0, v.value->>'signals')
FROM json_each(?1) AS v WHERE true
ON CONFLICT (tenant) DO UPDATE SET (tasks, bytes, signals) = (
  SELECT MAX(0, usage.tasks + (v.value->>'tasks')), MAX(0, usage.bytes + (v.value->>'bytes')), MAX(0, usage.signals + (v.value->>'signals'))
  FROM json_each(?1) AS v WHERE v.value->>'tenant' = usage.tenant)
RETURNING tenant, tasks, bytes, signals`;

/** Adds these (negative: takes away). Not safe to repeat: the next count corrects what was counted twice or not at all. */
export function addStatement(db: D1Database, changes: readonly TenantUse[]): D1PreparedStatement {
  return db.prepare(ADD).bind(JSON.stringify(changes));
}

/** Adds this once, and answers what the tenant's row says then. */
export async function addUse(db: D1Database, change: TenantUse): Promise<Use> {
  if (change.tasks === 0 && change.bytes === 0 && change.signals === 0) {
    return (await readUse(db, change.tenant)).used;
  }
  return (await addStatement(db, [change]).all<TenantUse>()).results[0]!;
}

export const NOTHING: Use = { tasks: 0, bytes: 0, signals: 0 };

/** What the tenant's row says, and when the last count ended (ms since the epoch; null: none has). */
export async function readUse(db: D1Database, tenant: string): Promise<{ used: Use; countedAt: number | null }> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        "SELECT tenant, tasks, bytes, signals, counted_at AS countedAt FROM usage WHERE tenant IN (?1, ?2) ORDER BY tenant",
      )
      .bind(NOBODY, tenant)
      .all<TenantUse & { countedAt: number | null }>(),
  );
  const row = results.find((each) => each.tenant === tenant) ?? NOTHING;
  const countedAt = results.find((each) => each.tenant === NOBODY)?.countedAt ?? null;
  return { used: { tasks: row.tasks, bytes: row.bytes, signals: row.signals }, countedAt };
}

/** Rows that one statement reads or writes. */
const CHUNK = 2_000;

/** The rows after `tenant`, in the order of their tenants. */
async function readRows(db: D1Database, after: string): Promise<TenantUse[]> {
  const { results } = await persist(() =>
    db
      .prepare("SELECT tenant, tasks, bytes, signals FROM usage WHERE tenant > ?1 ORDER BY tenant LIMIT ?2")
      .bind(after, CHUNK)
      .all<TenantUse>(),
  );
  return results;
}

/** Stores what was counted. Only rows that change are written, and the row with the time. Safe to repeat. */
export async function storeCount(db: D1Database, counted: ReadonlyMap<string, Use>, now: number): Promise<void> {
  const changed = new Map(counted);
  for (let after: string | undefined = NOBODY; after !== undefined;) {
    const rows: TenantUse[] = await readRows(db, after);
    for (const { tenant, tasks, bytes, signals } of rows) {
      const own = counted.get(tenant) ?? NOTHING;
      if (own.tasks === tasks && own.bytes === bytes && own.signals === signals) changed.delete(tenant);
      else changed.set(tenant, own);
    }
    after = rows.length < CHUNK ? undefined : rows.at(-1)!.tenant;
  }
  const all = [...changed].map(([tenant, own]): TenantUse => ({ tenant, ...own }));
  for (let i = 0; i === 0 || i < all.length; i += CHUNK) {
    const chunk = JSON.stringify(all.slice(i, i + CHUNK));
    await persist(() => db.batch([db.prepare(STORE).bind(chunk), db.prepare(FORGET).bind(chunk), stamp(db, now)]));
  }
}

const STORE = `
INSERT INTO usage (tenant, tasks, bytes, signals)
SELECT v.value->>'tenant', v.value->>'tasks', v.value->>'bytes', v.value->>'signals' FROM json_each(?1) AS v WHERE true
ON CONFLICT (tenant) DO UPDATE SET tasks = excluded.tasks, bytes = excluded.bytes, signals = excluded.signals`;

const FORGET = `
DELETE FROM usage WHERE tasks = 0 AND bytes = 0 AND signals = 0 AND tenant IN (SELECT value->>'tenant' FROM json_each(?1))`;

function stamp(db: D1Database, now: number): D1PreparedStatement {
  return db
    .prepare(
      "INSERT INTO usage (tenant, counted_at) VALUES (?1, ?2) ON CONFLICT (tenant) DO UPDATE SET counted_at = excluded.counted_at",
    )
    .bind(NOBODY, now);
}
