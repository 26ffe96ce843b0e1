/** Removes tasks whose retention is over, in bounded chunks. */

import { DEFAULT_RETENTION_MS } from "../core/bounds.ts";
import { LIVE_STATES, sqlStates, TERMINAL_STATES } from "../core/states.ts";
import { auditStatements, type Audit } from "./audit.ts";
import { Batch, persist, persistOr503 } from "./d1.ts";
import { nextPurge } from "./ended.ts";
import { flowsOfStatement, type FlowOf } from "./flows/purge.ts";

export interface Purged {
  id: string;
  object: number;
  flowId: string | null;
}

// Members of a flow are removed with it and not before. A child's result is needed as long as its parent may wait for other
// children, and a task until its webhook deliveries are stored.
const DOOMED = `id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(TERMINAL_STATES)}
  AND NOT EXISTS (SELECT 1 FROM flows WHERE flows.id = tasks.flow_id)
  AND NOT EXISTS (SELECT 1 FROM tasks AS parent
    WHERE parent.id = tasks.node->>'wakes' AND parent.state IN ${sqlStates(LIVE_STATES)})
  AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.task_id = tasks.id)`;

const GUARDED = `${DOOMED} AND (?2 IS NULL OR retain_until <= ?2)`;

/**
 * Removes those of `ids` that have ended and are no members of a flow, with all that belongs to them; `before` bounds their
 * retention's end. Answers the removed tasks, and the flows of members among `ids`. Both are read before the removal: a
 * removal that is repeated, because its answer was lost, finds nothing.
 */
export async function deleteTasks(
  db: D1Database,
  ids: string[],
  before: number | null,
  audit: Audit | null = null,
): Promise<{ gone: Purged[]; flows: FlowOf[] }> {
  const list = JSON.stringify(ids);
  const batch = new Batch(db);
  const purged = batch.rows<Purged>(
    db.prepare(`SELECT id, object, flow_id AS flowId FROM tasks WHERE ${GUARDED}`).bind(list, before),
  );
  const flows = batch.rows<FlowOf>(flowsOfStatement(db, list));
  await batch.run(persistOr503);
  return { gone: await removeTasks(db, purged(), before, audit), flows: flows() };
}

/** The same for rows that were read already; members of flows stay. */
export async function removeTasks(
  db: D1Database,
  rows: readonly Purged[],
  before: number | null,
  audit: Audit | null = null,
): Promise<Purged[]> {
  if (rows.length === 0) return [];
  const list = JSON.stringify(rows.map((task) => task.id));
  const entry = auditStatements(db, audit, `SELECT COUNT(*) FROM tasks WHERE ${GUARDED}`, [list, before]);
  const batch = new Batch(db);
  batch.add(
    ...entry,
    // No bit of `overflow` tells of payloads that an earlier run has left.
    db
      .prepare(
        `DELETE FROM payloads WHERE task_id IN (SELECT id FROM tasks WHERE (overflow <> 0 OR run > 1) AND ${GUARDED})`,
      )
      .bind(list, before),
    db
      .prepare(`DELETE FROM signals WHERE task_id IN (SELECT id FROM tasks WHERE signals > 0 AND ${GUARDED})`)
      .bind(list, before),
    db.prepare(`DELETE FROM tasks WHERE ${GUARDED}`).bind(list, before),
  );
  const kept = batch.rows<{ id: string }>(
    db.prepare("SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?1))").bind(list),
  );
  await batch.run(persistOr503);
  const left = new Set(kept().map((task) => task.id));
  return rows.filter((task) => !left.has(task.id));
}

/** A row that the retention walk meets. Instants are ms since the epoch. */
export interface Met {
  id: string;
  createdAt: number;
  dueAt: number | null;
  retainUntil: number | null;
}

/** A task that ended within this time after its creation is purged when the walk meets it. */
const WALK_SLACK_MS = 30_000;

const AGE_MS = DEFAULT_RETENTION_MS + WALK_SLACK_MS;

/** Answers the {@link Met} after `cursor`, an id, in the order of creation. */
export function walkStatement(db: D1Database, cursor: string, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `SELECT id, created_at AS createdAt, due_at AS dueAt, retain_until AS retainUntil
       FROM tasks WHERE id > ?1 ORDER BY id LIMIT ?2`,
    )
    .bind(cursor, limit);
}

/** What a step of the walk has met. */
export interface Walk {
  /** The last id that is dealt with; null where none was. */
  cursor: string | null;
  /** When the next row is old enough to be met, in ms since the epoch; null where none is known. */
  nextAt: number | null;
  /** Ids whose retention is over. */
  over: string[];
  /** Ids that are kept, without a timer of their own. */
  kept: string[];
}

/**
 * The walk meets every task once, in the order of creation, when the default retention of a task that ended at
 * once is over. Ended tasks that are kept longer get a timer of their own; live ones have one, or get it when they end.
 */
export function walkOver(rows: readonly Met[], now: number): Walk {
  const old = rows.slice(0, rows.findIndex((row) => row.createdAt + AGE_MS > now) >>> 0);
  const ended = old.filter((row) => row.dueAt === null && row.retainUntil !== null);
  const next = rows[old.length];
  return {
    cursor: old.at(-1)?.id ?? null,
    nextAt: next ? next.createdAt + AGE_MS : null,
    over: ended.filter((row) => row.retainUntil! <= now).map((row) => row.id),
    kept: ended.filter((row) => row.retainUntil! > now).map((row) => row.id),
  };
}

/** Gives ended tasks without a timer one for their purge. Of a flow's members the first of `ids` gets one: they are purged together. */
export async function timePurges(db: D1Database, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  await persist(() =>
    db
      .prepare(
        `UPDATE tasks SET due_at = ${nextPurge("retain_until")}
         WHERE id IN (
             SELECT MIN(id) FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) GROUP BY COALESCE(flow_id, id))
           AND due_at IS NULL AND retain_until IS NOT NULL`,
      )
      .bind(JSON.stringify(ids))
      .run(),
  );
}

/** Forgets idempotency keys whose time is over. */
export function forgetKeys(db: D1Database, now: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM idempotency WHERE (tenant, key) IN
         (SELECT tenant, key FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)`,
    )
    .bind(now, limit);
}
