/** Starts a new run of ended tasks; their history stays. */

import { BELL_MS, INLINE_PAYLOAD_BYTES } from "../core/bounds.ts";
import { ARROWS, sqlStates } from "../core/states.ts";
import { submissionKey } from "../core/concurrency.ts";
import { auditStatements, type Audit } from "./audit.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { IN_RUN, readRuns, RESET } from "./ended-runs.ts";
import { byteLength } from "../core/byte-length.ts";
import { MAY_RUN_AGAIN, MEMBERS_OF_FLOWS, reopenStatements, waitAgain, type Reopened } from "./flows/reopen.ts";
import { OBJECT } from "../core/wake.ts";
import { OVERFLOW } from "./task-row.ts";

const GUARD = `${IN_RUN} AND state IN ${sqlStates(ARROWS.retry.from)} AND ${MAY_RUN_AGAIN}`;

const RETRY = `
UPDATE tasks SET state = 'queued', holder = ?3, run_at = ?2, due_at = ?2 + ${BELL_MS}, ${RESET}, waiting_for = NULL
WHERE ${GUARD}`;

const WAIT_AGAIN = waitAgain(`SELECT id FROM tasks WHERE ${GUARD}`);

const NO_LARGE_INPUT = `
DELETE FROM payloads WHERE kind = 'input' AND task_id IN (SELECT id FROM tasks WHERE ${GUARD})`;

/** The limits in a parameter, and those that the task's submission itself named: SQL. */
export function withOwnLimits(limits: string): string {
  return `(
  SELECT CASE WHEN COUNT(*) > 0 THEN json_group_array(json(value)) END FROM (
    SELECT value FROM json_each(${limits})
    UNION ALL SELECT value FROM json_each(tasks.concurrency) WHERE value->>'key' LIKE '${submissionKey("%", "%")}'))`;
}

const LIMITS = `rates = ?4, concurrency = ${withOwnLimits("?3")}`;

const INLINE_INPUT = `UPDATE tasks SET ${LIMITS}, sealed = ?5, input = ?2, overflow = overflow & ~${OVERFLOW.input} WHERE ${GUARD}`;

const LARGE_INPUT = `
INSERT INTO payloads (task_id, kind, body) SELECT id, 'input', ?2 FROM tasks WHERE ${GUARD}
ON CONFLICT DO UPDATE SET body = excluded.body`;

const MARK_LARGE = `UPDATE tasks SET ${LIMITS}, sealed = ?5, input = ?2, overflow = overflow | ${OVERFLOW.input} WHERE ${GUARD}`;

/** An input that takes the place of another, with the limits that its definition puts it under: JSON. */
export interface NewInput {
  text: string;
  /** What is secret in it; null: nothing is. */
  sealed?: string | null;
  concurrency: string | null;
  rates: string | null;
}

/** Where a task's new run begins in its journal. */
export interface RetryFrom {
  /** The run whose journal it is. */
  run: number;
  /** Calls that had ended before this place are kept. */
  before: number;
  /** A step that is kept can be undone. */
  isUndoable: boolean;
}

// In the options, because the worker reads them anyway. It names the run that it is for, so later runs ignore it.
const FROM = `
UPDATE tasks SET options = json_set(COALESCE(options, '{}'), '$.from', json_object('run', run, 'before', ?3)), object = object | ?4
WHERE id IN (SELECT value FROM json_each(?1)) AND holder = ?2 AND state IN ('queued', 'waiting')`;

/** A task whose new run this call has begun. */
export interface Retried {
  id: string;
  lane: string;
  state: "queued" | "scheduled" | "waiting";
  dueAt: number | null;
  /** 1: it is one of those that were asked for; 0: it depends on one. */
  asked: number;
}

const ASKED = "SELECT value FROM json_each(?1)";

/** The tasks whose new run the call ?2 has begun. */
const AGAIN = (ids: string) => `
SELECT id, lane, state, due_at AS dueAt, id IN (${ASKED}) AS asked FROM tasks
WHERE id IN (${ids}) AND holder = ?2 AND state IN ('queued', 'scheduled', 'waiting')`;

/**
 * Queues the failed, cancelled and expired ones of `ids` again, with a new input if one
 * is given, and answers those whose new run this call has begun. `caller` names the call: of two that
 * come at once only one begins the run. What depends on a member of a flow waits for it again, and the flow
 * is open again if it had ended; see {@link MAY_RUN_AGAIN} for tasks that stay as they are.
 * `flows` are those of which any of `ids` is a member. `from`: where in its journal the one task of `ids` begins.
 */
export async function retryTasks(
  db: D1Database,
  ids: string[],
  input: NewInput | null,
  caller: string,
  flows: Reopened[],
  now: number,
  audit: Audit | null = null,
  from: RetryFrom | null = null,
): Promise<Retried[]> {
  const runs = await readRuns(db, ids);
  if (from !== null && (JSON.parse(runs) as { run: number }[]).some(({ run }) => run !== from.run)) return [];
  const list = JSON.stringify(ids);
  const batch = new Batch(db);
  batch.add(...auditStatements(db, audit, `SELECT COUNT(*) FROM tasks WHERE ${GUARD}`, [runs]));
  if (input !== null) {
    const { text, concurrency, rates, sealed = null } = input;
    const values = [runs, text, concurrency, rates, sealed];
    if (byteLength(text) <= INLINE_PAYLOAD_BYTES) {
      batch.add(db.prepare(NO_LARGE_INPUT).bind(runs), db.prepare(INLINE_INPUT).bind(...values));
    } else {
      const large = [runs, null, concurrency, rates, sealed];
      batch.add(db.prepare(LARGE_INPUT).bind(runs, text), db.prepare(MARK_LARGE).bind(...large));
    }
  }
  batch.add(
    // Those of `ids` that depend on others of them wait, too; the rest are queued.
    ...(flows.length === 0 ? [] : [db.prepare(WAIT_AGAIN).bind(runs, caller)]),
    db.prepare(RETRY).bind(runs, now, caller),
    ...(from === null ? [] : [db.prepare(FROM).bind(list, caller, from.before, from.isUndoable ? OBJECT.undo : 0)]),
    ...(flows.length === 0 ? [] : reopenStatements(db, list, flows, now)),
  );
  const again = batch.rows<Retried>(
    db.prepare(AGAIN(flows.length === 0 ? ASKED : `${ASKED} UNION ${MEMBERS_OF_FLOWS}`)).bind(list, caller),
  );
  await batch.run(persistOr503);
  return again();
}
