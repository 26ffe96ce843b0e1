/** Cancels tasks: at once where no attempt holds them, else as a request that the attempt must obey. */

import { auditStatements, type Audit } from "./audit.ts";
import { BELL_MS } from "../core/bounds.ts";
import { IDLE_STATES, sqlStates } from "../core/states.ts";
import { OBJECT } from "../core/wake.ts";
import type { Changes } from "./changes.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import { cancelledError, dueWhenEnded, undoing } from "./ended.ts";
import { owedStatement, type OwedId } from "./webhooks/owed.ts";
import { releaseStatements, type Released } from "./flows/release.ts";
import type { State } from "../core/states.ts";

/** What a cancellation has done. */
export interface Cancellation extends Required<Pick<Changes, "released" | "owed">> {
  /** How all of the tasks stand now. */
  after: Cancelled[];
  /** Those that it has cancelled, or asked to stop. */
  moved: Cancelled[];
}

export interface Cancelled {
  id: string;
  tenant: string;
  task: string;
  lane: string;
  state: State;
  finishedAt: number | null;
  object: number;
  cancelRequestedAt: number | null;
  /** When the clock looks at it next. */
  dueAt: number | null;
  /** How it ends once its steps are undone; null unless they are being undone. */
  endsAs: "failed" | "cancelled" | null;
}

/**
 * These tasks and all that their handlers spawned. Asked by the very statements that cancel: what a handler
 * spawns later finds its parent asked to stop, and is not stored.
 */
const TREE = `
WITH RECURSIVE tree (id) AS (
  SELECT value FROM json_each(?1)
  UNION
  SELECT child.value FROM tree JOIN tasks AS parent ON parent.id = tree.id, json_each(parent.children) AS child)
SELECT id FROM tree`;

/** Where a successor is named, nothing is cancelled before it exists. */
const ALLOWED = "(?4 IS NULL OR EXISTS (SELECT 1 FROM tasks AS successor WHERE successor.id = ?4))";

const UNDO = `
UPDATE tasks SET state = 'queued', cancel_requested_at = ?2, cancel_reason = ?3, due_at = ?2 + ${BELL_MS},
  run_at = CASE WHEN state = 'queued' THEN run_at ELSE ?2 END, crashes = 0, waiting_for = NULL,
  undo = ${undoing("'cancelled'", cancelledError("?3"))}
WHERE id IN (${TREE}) AND state IN ${sqlStates(IDLE_STATES)} AND undo IS NULL
  AND object & ${OBJECT.undo} AND ${ALLOWED}`;

// Undoing is not cancelled: it is how a cancel, or a failure, ends.
const IDLE = `
UPDATE tasks SET state = 'cancelled', cancel_requested_at = ?2, cancel_reason = ?3, finished_at = ?2,
  retain_until = ?2 + retention_ms, due_at = ${dueWhenEnded("?2")}, error = ${cancelledError("?3")}, waiting_for = NULL
WHERE id IN (${TREE}) AND state IN ${sqlStates(IDLE_STATES)} AND undo IS NULL AND ${ALLOWED}`;

const RUNNING = `
UPDATE tasks SET cancel_requested_at = COALESCE(cancel_requested_at, ?2), cancel_undo = ?5,
  cancel_reason = CASE WHEN cancel_requested_at IS NULL THEN ?3 ELSE cancel_reason END
WHERE id IN (${TREE}) AND state = 'running' AND undo IS NULL
  AND (cancel_requested_at IS NULL OR cancel_undo < ?5) AND ${ALLOWED}`;

/** How many of the tasks ?1 themselves a cancel changes, one with `undo` where ?2 is 1. */
const CHANGED = `
SELECT COUNT(*) FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND undo IS NULL
  AND (state IN ${sqlStates(IDLE_STATES)}
    OR state = 'running' AND (cancel_requested_at IS NULL OR cancel_undo < ?2))`;

const AFTER = `
SELECT id, tenant, task, lane, state, finished_at AS finishedAt, object, cancel_requested_at AS cancelRequestedAt,
  due_at AS dueAt, undo->>'state' AS endsAs
FROM tasks
WHERE id IN (${TREE})`;

/**
 * Cancels those of `ids`, and of their children, that have not ended. Safe to repeat. With `undo`, those
 * that have steps to undo are queued to do so first.
 */
export async function cancelTasks(
  db: D1Database,
  ids: string[],
  reason: string | null,
  now: number,
  undo = false,
  audit: Audit | null = null,
): Promise<Cancellation> {
  const entry = auditStatements(db, audit, CHANGED, [JSON.stringify(ids), Number(undo)]);
  const cancel = cancelStatements(db, ids, reason, now, null, undo);
  const results = await persistOr503(() => db.batch([...entry, ...cancel]));
  return cancellationOf(results, now);
}

/**
 * The cancel of these tasks and of their children as statements for the end of a batch; {@link cancellationOf} reads
 * their answers. `successor`: the id of a task without which nothing is cancelled.
 */
export function cancelStatements(
  db: D1Database,
  ids: string[],
  reason: string | null,
  now: number,
  successor: string | null,
  undo = false,
): D1PreparedStatement[] {
  const list = JSON.stringify(ids);
  return [
    ...(undo ? [db.prepare(UNDO).bind(list, now, reason, successor)] : []),
    db.prepare(IDLE).bind(list, now, reason, successor),
    db.prepare(RUNNING).bind(list, now, reason, successor, undo ? 1 : 0),
    ...releaseStatements(db, list, now),
    db.prepare(AFTER).bind(list),
    owedStatement(db, list, now),
  ];
}

/** What a batch has done that ends with {@link cancelStatements} of this time. */
export function cancellationOf(results: D1Result[], now: number): Cancellation {
  const { length } = results;
  const after = rowsOf<Cancelled>(results, length - 2);
  return {
    after,
    moved: after.filter((task) => task.cancelRequestedAt === now),
    released: rowsOf<Released>(results, length - 3),
    owed: rowsOf<OwedId>(results, length - 1),
  };
}
