/** The groups of a tenant's failures: counts that isolates add to, and what a user has said of a group. */

import type { ErrorGroup, GroupState } from "../core/error-groups.ts";
import { auditStatements, type Audit } from "./audit.ts";
import { Batch, persistOr503 } from "./d1.ts";

/** Groups that a tenant keeps: those that failed last. */
export const MAX_GROUPS = 500;

/** How long a group is kept after its last failure. */
export const GROUP_KEPT_MS = 30 * 86_400_000;

/** Ids of tasks, and counts of tags, that a group keeps. */
export const MAX_SAMPLES = 5;
export const MAX_TAGS = 20;

/** Failures of one group since the last time that they were written down. */
export interface Failures extends ErrorGroup {
  tenant: string;
  count: number;
  /** ms since the epoch. */
  firstAt: number;
  lastAt: number;
  /** Ids of tasks. */
  samples: string[];
  /** By `<name>=<value>`. */
  tags: Record<string, number>;
}

// A failure from before its group was resolved may be written after that.
const ADD = `
INSERT INTO error_groups (tenant, id, task, type, message, count, first_at, last_at, samples, tags)
SELECT value->>'tenant', value->>'id', value->>'task', value->>'type', value->>'message', value->>'count',
  value->>'firstAt', value->>'lastAt', value->>'samples', value->>'tags'
FROM json_each(?1) WHERE true
ON CONFLICT (tenant, id) DO UPDATE SET
  count = count + excluded.count, first_at = MIN(first_at, excluded.first_at), last_at = MAX(last_at, excluded.last_at),
  samples = (SELECT json_group_array(value) FROM (
    SELECT value FROM json_each(error_groups.samples) UNION SELECT value FROM json_each(excluded.samples)
    ORDER BY value DESC LIMIT ${MAX_SAMPLES})),
  tags = (SELECT json_group_object(key, total) FROM (
    SELECT key, SUM(value) AS total FROM (
      SELECT key, value FROM json_each(error_groups.tags) UNION ALL SELECT key, value FROM json_each(excluded.tags))
    GROUP BY key ORDER BY total DESC, key LIMIT ${MAX_TAGS})),
  state_at = CASE WHEN state = 'resolved' AND excluded.last_at > state_at
    OR state = 'ignored' AND count + excluded.count >= until_count THEN excluded.last_at ELSE state_at END,
  until_count = CASE WHEN state = 'ignored' AND count + excluded.count >= until_count THEN NULL ELSE until_count END,
  state = CASE WHEN state = 'resolved' AND excluded.last_at > state_at
    OR state = 'ignored' AND count + excluded.count >= until_count THEN 'open' ELSE state END`;

// Only a new group can bring a tenant over its bound; a group is new where its count is what was just added.
const TRIM = `
DELETE FROM error_groups WHERE tenant = ?2 AND id IN (
  SELECT kept.id FROM (
    SELECT 1 FROM json_each(?1) AS added CROSS JOIN error_groups AS own
      ON own.tenant = ?2 AND own.id = added.value->>'id' AND own.count = added.value->>'count' LIMIT 1)
  CROSS JOIN error_groups AS kept ON kept.tenant = ?2
  ORDER BY kept.last_at DESC, kept.id LIMIT -1 OFFSET ${MAX_GROUPS})`;

/** Tenants whose groups one write keeps within their bound: each may read all groups of its tenant. */
const TRIMMED = 20;

/** The statements that add these and keep each tenant's groups within their bound. Not safe to repeat: failures would count twice. */
export function addFailures(db: D1Database, failures: readonly Failures[]): D1PreparedStatement[] {
  if (failures.length === 0) return [];
  const tenants = [...Map.groupBy(failures, ({ tenant }) => tenant)];
  // Where there are more tenants, each write begins at a random one, so that all have their turn.
  const first = tenants.length <= TRIMMED ? 0 : Math.floor(Math.random() * tenants.length);
  const trimmed = [...tenants.slice(first), ...tenants.slice(0, first)].slice(0, TRIMMED);
  return [
    db.prepare(ADD).bind(JSON.stringify(failures)),
    ...trimmed.map(([tenant, own]) =>
      db.prepare(TRIM).bind(JSON.stringify(own.map(({ id, count }) => ({ id, count }))), tenant),
    ),
  ];
}

/** A group as it lies in D1. */
export interface ErrorGroupRow extends ErrorGroup {
  count: number;
  firstAt: number;
  lastAt: number;
  /** JSON. */
  samples: string;
  tags: string;
  state: GroupState;
  stateAt: number | null;
  untilCount: number | null;
}

const COLUMNS = `id, task, type, message, count, first_at AS firstAt, last_at AS lastAt, samples, tags, state, state_at AS stateAt,
  until_count AS untilCount`;

/** A tenant's groups that have failed since `since` (ms since the epoch), the latest first: {@link MAX_GROUPS} at most. */
export async function readErrorGroups(db: D1Database, tenant: string, since: number): Promise<ErrorGroupRow[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT ${COLUMNS} FROM error_groups WHERE tenant = ?1 AND last_at >= ?2 ORDER BY last_at DESC, id LIMIT ${MAX_GROUPS}`,
      )
      .bind(tenant, since)
      .all<ErrorGroupRow>(),
  );
  return results;
}

/** Where the sweep of old groups goes on: after this tenant's group. */
export type GroupPlace = [tenant: string, id: string];

const STRETCH = "SELECT tenant, id, last_at FROM error_groups WHERE (tenant, id) > (?1, ?2) ORDER BY tenant, id";

/** Adds statements that forget the old ones among the `limit` groups after `place`; the returned function tells where to go on. */
export function addForgetGroups(
  batch: Batch,
  db: D1Database,
  now: number,
  [tenant, id]: GroupPlace,
  limit: number,
): () => GroupPlace | undefined {
  const last = batch.first<{ tenant: string; id: string }>(
    db.prepare(`${STRETCH} LIMIT 1 OFFSET ?3`).bind(tenant, id, limit - 1),
  );
  batch.add(
    db
      .prepare(
        `DELETE FROM error_groups WHERE (tenant, id) IN (SELECT tenant, id FROM (${STRETCH} LIMIT ?3) WHERE last_at < ?4)`,
      )
      .bind(tenant, id, limit, now - GROUP_KEPT_MS),
  );
  return () => {
    const row = last();
    return row === null ? undefined : [row.tenant, row.id];
  };
}

/** Marks a group as resolved or ignored; answers it, null where there is none. Safe to repeat. */
export async function changeGroup(
  db: D1Database,
  tenant: string,
  id: string,
  { state, untilCount, at }: { state: GroupState; untilCount: number | null; at: number },
  audit: Audit | null = null,
): Promise<ErrorGroupRow | null> {
  const changes = "tenant = ?1 AND id = ?2 AND (state, until_count) IS NOT (?3, ?4)";
  const batch = new Batch(db);
  batch.add(
    ...auditStatements(db, audit, `SELECT COUNT(*) FROM error_groups WHERE ${changes}`, [
      tenant,
      id,
      state,
      untilCount,
    ]),
    db
      .prepare(`UPDATE error_groups SET state = ?3, until_count = ?4, state_at = ?5 WHERE ${changes}`)
      .bind(tenant, id, state, untilCount, at),
  );
  const row = batch.first<ErrorGroupRow>(
    db.prepare(`SELECT ${COLUMNS} FROM error_groups WHERE tenant = ?1 AND id = ?2`).bind(tenant, id),
  );
  await batch.run(persistOr503);
  return row();
}
