/** Cancels tasks: at once where no attempt holds them, else as a request that the attempt must obey. */

import { IDLE_STATES, sqlStates } from "../core/states.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import { cancelledError, dueWhenEnded } from "./ended.ts";
import { owedStatement, type OwedId } from "./owed.ts";
import { releaseStatements, type Released } from "./release.ts";
import type { State } from "../core/states.ts";

/** What a cancellation has done. */
export interface Cancellation {
  /** How all of the tasks stand now. */
  after: Cancelled[];
  /** Members of flows that now have all they need. */
  released: Released[];
  /** Ended tasks that webhooks must be told of. */
  owed: OwedId[];
}

export interface Cancelled {
  id: string;
  state: State;
  object: number;
  cancelRequestedAt: number | null;
}

const IDLE = `
UPDATE tasks SET state = 'cancelled', cancel_requested_at = ?2, cancel_reason = ?3, finished_at = ?2,
  retain_until = ?2 + retention_ms, due_at = ${dueWhenEnded("?2")}, error = ${cancelledError("?3")}, waiting_for = NULL
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(IDLE_STATES)}`;

const RUNNING = `
UPDATE tasks SET cancel_requested_at = ?2, cancel_reason = ?3
WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'running' AND cancel_requested_at IS NULL`;

const AFTER = `
SELECT id, state, object, cancel_requested_at AS cancelRequestedAt FROM tasks
WHERE id IN (SELECT value FROM json_each(?1))`;

/**
 * These tasks and all that their handlers spawned. Asked before the cancel: what a handler spawns
 * later finds its parent asked to stop, and is not stored.
 */
async function withChildren(db: D1Database, ids: string[]): Promise<string[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `WITH RECURSIVE tree (id) AS (
           SELECT value FROM json_each(?1)
           UNION
           SELECT child.value FROM tree JOIN tasks ON tasks.id = tree.id, json_each(tasks.children) AS child)
         SELECT id FROM tree`,
      )
      .bind(JSON.stringify(ids))
      .all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}

/** Cancels those of `ids`, and of their children, that have not ended. Safe to repeat. */
export async function cancelTasks(
  db: D1Database,
  ids: string[],
  reason: string | null,
  now: number,
): Promise<Cancellation> {
  const list = JSON.stringify(await withChildren(db, ids));
  const results = await persistOr503(() =>
    db.batch([
      db.prepare(IDLE).bind(list, now, reason),
      db.prepare(RUNNING).bind(list, now, reason),
      db.prepare(AFTER).bind(list),
      ...releaseStatements(db, list, now),
      owedStatement(db, list, now),
    ]),
  );
  return {
    after: rowsOf<Cancelled>(results, 2),
    released: rowsOf<Released>(results, results.length - 2),
    owed: rowsOf<OwedId>(results, results.length - 1),
  };
}
