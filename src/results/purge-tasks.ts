/** Removes tasks whose retention is over, in bounded chunks. */

import { DEFAULT_RETENTION_MS } from "../core/limits.ts";
import { LIVE_STATES, sqlStates, TERMINAL_STATES } from "../core/states.ts";
import { persist, persistOr503, rowsOf } from "./d1.ts";

export interface Purged {
  id: string;
  object: number;
}

// The results of a flow's members are needed as long as the flow lives, those of children as long as their parent
// may wait for others, and a task until its webhooks have their copies.
const DOOMED = `id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(TERMINAL_STATES)}
  AND NOT EXISTS (SELECT 1 FROM flows WHERE flows.id = tasks.flow_id AND flows.state = 'running')
  AND NOT EXISTS (SELECT 1 FROM tasks AS parent
    WHERE parent.id = tasks.node->>'wakes' AND parent.state IN ${sqlStates(LIVE_STATES)})
  AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.task_id = tasks.id)`;

/**
 * Removes those of `ids` that have ended, with all that belongs to them; `before` bounds their retention's end.
 * Answers those that are gone. They are read before: a removal whose answer was lost finds nothing when it is repeated.
 */
export async function deleteTasks(db: D1Database, ids: string[], before: number | null): Promise<Purged[]> {
  const guard = `${DOOMED} AND (?2 IS NULL OR retain_until <= ?2)`;
  const { results: doomed } = await persistOr503(() =>
    db.prepare(`SELECT id, object FROM tasks WHERE ${guard}`).bind(JSON.stringify(ids), before).all<Purged>(),
  );
  if (doomed.length === 0) return [];
  const list = JSON.stringify(doomed.map((task) => task.id));
  const results = await persistOr503(() =>
    db.batch([
      db
        .prepare(`DELETE FROM payloads WHERE task_id IN (SELECT id FROM tasks WHERE overflow <> 0 AND ${guard})`)
        .bind(list, before),
      db
        .prepare(`DELETE FROM signals WHERE task_id IN (SELECT id FROM tasks WHERE signals > 0 AND ${guard})`)
        .bind(list, before),
      db.prepare(`DELETE FROM tasks WHERE ${guard}`).bind(list, before),
      db.prepare("SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?1))").bind(list),
    ]),
  );
  const left = new Set(rowsOf<{ id: string }>(results, 3).map((task) => task.id));
  return doomed.filter((task) => !left.has(task.id));
}

/** A step of the retention walk. */
export interface Walk {
  /** The last id the walk has dealt with; "" at the beginning. */
  cursor: string;
  /** When the next row is old enough to be met, in ms since the epoch; null when there is none. */
  nextAt: number | null;
  more: boolean;
}

/** A task that ended within this of its creation is purged as the walk meets it. */
const WALK_SLACK_MS = 30_000;

interface WalkedRow {
  id: string;
  createdAt: number;
  dueAt: number | null;
  retainUntil: number | null;
}

/**
 * Meets every task once, in the order of creation, when the default retention of one that ended at
 * once is over. Those still kept get a timer of their own; those alive have one, or get it when they end.
 */
export async function walkRetention(
  db: D1Database,
  cursor: string,
  now: number,
  limit: number,
): Promise<Walk & { purged: Purged[] }> {
  const { results } = await persist(() =>
    db
      .prepare(
        `SELECT id, created_at AS createdAt, due_at AS dueAt, retain_until AS retainUntil
         FROM tasks WHERE id > ?1 ORDER BY id LIMIT ?2`,
      )
      .bind(cursor, limit)
      .all<WalkedRow>(),
  );
  const age = DEFAULT_RETENTION_MS + WALK_SLACK_MS;
  const met = results.slice(0, results.findIndex((row) => row.createdAt + age > now) >>> 0);
  const over = met.filter((row) => row.dueAt === null && row.retainUntil !== null && row.retainUntil <= now);
  const purged =
    over.length > 0
      ? await deleteTasks(
          db,
          over.map((row) => row.id),
          now,
        )
      : [];
  const gone = new Set(purged.map((row) => row.id));
  const kept = met.filter((row) => row.dueAt === null && row.retainUntil !== null && !gone.has(row.id));
  if (kept.length > 0) {
    await persist(() =>
      db
        .prepare(
          `UPDATE tasks SET due_at = retain_until
           WHERE id IN (SELECT value FROM json_each(?1)) AND due_at IS NULL AND retain_until IS NOT NULL`,
        )
        .bind(JSON.stringify(kept.map((row) => row.id)))
        .run(),
    );
  }
  const next = results[met.length];
  return {
    cursor: met.at(-1)?.id ?? cursor,
    nextAt: next ? next.createdAt + age : null,
    more: met.length === limit,
    purged,
  };
}

/** Forgets idempotency keys whose time is over. */
export async function forgetKeys(db: D1Database, now: number, limit: number): Promise<void> {
  await persist(() =>
    db
      .prepare(
        `DELETE FROM idempotency WHERE (tenant, key) IN
           (SELECT tenant, key FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)`,
      )
      .bind(now, limit)
      .run(),
  );
}
