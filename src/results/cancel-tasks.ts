/** Cancels tasks: at once where no attempt holds them, else as a request that the attempt must obey. */

import { auditStatements, type Audit } from "./audit.ts";
import { BELL_MS } from "../core/bounds.ts";
import { IDLE_STATES, sqlStates } from "../core/states.ts";
import { OBJECT } from "../core/wake.ts";
import type { Changes } from "./changes.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { cancelledError, ends, undoing } from "./ended.ts";
import { owedStatement, type OwedId } from "./webhooks/owed.ts";
import { addRelease } from "./flows/release.ts";
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
 * These tasks and all that their handlers spawned. The statements that cancel read it themselves: a child that is
 * spawned later finds its parent asked to stop, and is not stored.
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

// A task whose steps are being undone is not cancelled: the undoing is how a cancel, or a failure, ends.
const IDLE = `
UPDATE tasks SET cancel_requested_at = ?2, cancel_reason = ?3, ${ends("'cancelled'", cancelledError("?3"))}
WHERE id IN (${TREE}) AND state IN ${sqlStates(IDLE_STATES)} AND undo IS NULL AND ${ALLOWED}`;

const RUNNING = `
UPDATE tasks SET cancel_requested_at = COALESCE(cancel_requested_at, ?2), cancel_undo = ?5,
  cancel_reason = CASE WHEN cancel_requested_at IS NULL THEN ?3 ELSE cancel_reason END
WHERE id IN (${TREE}) AND state = 'running' AND undo IS NULL
  AND (cancel_requested_at IS NULL OR cancel_undo < ?5) AND ${ALLOWED}`;

/** How many of the tasks ?1, their children not counted, a cancel changes; ?2 is 1 for a cancel with `undo`. */
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
  const batch = new Batch(db);
  batch.add(...auditStatements(db, audit, CHANGED, [JSON.stringify(ids), Number(undo)]));
  const cancellation = addCancel(batch, db, ids, reason, now, null, undo);
  await batch.run(persistOr503);
  return cancellation();
}

/** Adds the cancel of these tasks and of their children to a batch. `successor`: the id of a task without which nothing is cancelled. */
export function addCancel(
  batch: Batch,
  db: D1Database,
  ids: string[],
  reason: string | null,
  now: number,
  successor: string | null,
  undo = false,
): () => Cancellation {
  const list = JSON.stringify(ids);
  if (undo) batch.add(db.prepare(UNDO).bind(list, now, reason, successor));
  batch.add(
    db.prepare(IDLE).bind(list, now, reason, successor),
    db.prepare(RUNNING).bind(list, now, reason, successor, undo ? 1 : 0),
  );
  const released = addRelease(batch, db, list, now);
  const after = batch.rows<Cancelled>(db.prepare(AFTER).bind(list));
  const owed = batch.rows<OwedId>(owedStatement(db, list, now));
  return () => ({
    after: after(),
    moved: after().filter((task) => task.cancelRequestedAt === now),
    released: released(),
    owed: owed(),
  });
}
