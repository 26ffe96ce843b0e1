/** Starts a new run of ended tasks; their history stays. */

import { BELL_MS, INLINE_PAYLOAD_BYTES } from "../core/limits.ts";
import { ARROWS, sqlStates } from "../core/states.ts";
import { submissionKey } from "../core/concurrency.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import type { Belled } from "./due-tasks.ts";
import { IN_RUN, readRuns } from "./ended-runs.ts";
import { byteLength } from "./insert-tasks.ts";
import { OBJECT } from "../core/wake.ts";
import { OVERFLOW } from "./task-row.ts";

const GUARD = `${IN_RUN} AND state IN ${sqlStates(ARROWS.retry.from)}`;

const RETRY = `
UPDATE tasks SET state = 'queued', run = run + 1, holder = ?3, failures = 0, crashes = 0, run_at = ?2, due_at = ?2 + ${BELL_MS},
  finished_at = NULL, retain_until = NULL, expires_at = NULL, lease_until = NULL, cancel_requested_at = NULL,
  cancel_reason = NULL, cancel_undo = 0, object = object & ~${OBJECT.undo}, error = NULL, progress = NULL,
  waiting_for = NULL
WHERE ${GUARD}`;

const NO_LARGE_INPUT = `
DELETE FROM payloads WHERE kind = 'input' AND task_id IN (SELECT id FROM tasks WHERE ${GUARD})`;

// What the submission itself asked for stays.
const LIMITS = `rates = ?4, concurrency = (
  SELECT CASE WHEN COUNT(*) > 0 THEN json_group_array(json(value)) END FROM (
    SELECT value FROM json_each(?3)
    UNION ALL SELECT value FROM json_each(tasks.concurrency) WHERE value->>'key' LIKE '${submissionKey("%", "%")}'))`;

const INLINE_INPUT = `UPDATE tasks SET ${LIMITS}, input = ?2, overflow = overflow & ~${OVERFLOW.input} WHERE ${GUARD}`;

const LARGE_INPUT = `
INSERT INTO payloads (task_id, kind, body) SELECT id, 'input', ?2 FROM tasks WHERE ${GUARD}
ON CONFLICT DO UPDATE SET body = excluded.body`;

const MARK_LARGE = `UPDATE tasks SET ${LIMITS}, input = ?2, overflow = overflow | ${OVERFLOW.input} WHERE ${GUARD}`;

/** An input that takes the place of another, with the limits that its definition puts it under. All of them JSON. */
export interface NewInput {
  text: string;
  concurrency: string | null;
  rates: string | null;
}

/**
 * Queues the failed, cancelled and expired ones of `ids` again, with a new input if one
 * is given, and answers those whose new run this call has begun. `caller` names the call: of two that
 * come at once only one has begun the run.
 */
export async function retryTasks(
  db: D1Database,
  ids: string[],
  input: NewInput | null,
  caller: string,
  now: number,
): Promise<Belled[]> {
  const runs = await readRuns(db, ids);
  const statements: D1PreparedStatement[] = [];
  if (input !== null) {
    const { text, concurrency, rates } = input;
    const values = [runs, text, concurrency, rates];
    if (byteLength(text) <= INLINE_PAYLOAD_BYTES) {
      statements.push(db.prepare(NO_LARGE_INPUT).bind(runs), db.prepare(INLINE_INPUT).bind(...values));
    } else {
      const large = [runs, null, concurrency, rates];
      statements.push(db.prepare(LARGE_INPUT).bind(runs, text), db.prepare(MARK_LARGE).bind(...large));
    }
  }
  statements.push(
    db.prepare(RETRY).bind(runs, now, caller),
    db
      .prepare(
        `SELECT id, lane FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND holder = ?2 AND state = 'queued'`,
      )
      .bind(JSON.stringify(ids), caller),
  );
  const results = await persistOr503(() => db.batch(statements));
  return rowsOf<Belled>(results, statements.length - 1);
}
