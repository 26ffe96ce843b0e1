/** Which run of a task it is that ends, or that another follows: the fence of whatever begins a new one. */

import { OBJECT } from "../core/wake.ts";
import { persistOr503 } from "./d1.ts";
import { OVERFLOW } from "./task-row.ts";

/**
 * Whether a row is in one of the runs of ?1, which {@link readRuns} has read: SQL. A call that is repeated because its answer
 * was lost finds the run that it has begun, not the one that it was to follow, whatever the clocks say.
 */
export const IN_RUN = "(id, run) IN (SELECT value->>'id', value->>'run' FROM json_each(?1))";

/** What a new run begins with, as SQL, whoever begins it: the task remembers nothing but its history. What it waits for, and until when, is theirs to say. */
export const RESET = `run = run + 1, failures = 0, crashes = 0, finished_at = NULL, retain_until = NULL, expires_at = NULL,
  lease_until = NULL, cancel_requested_at = NULL, cancel_reason = NULL, cancel_undo = 0, undo = NULL,
  error = NULL, progress = NULL, result = NULL, sealed_result = NULL, object = object & ~${OBJECT.undo | OBJECT.awaited},
  overflow = overflow & ~${OVERFLOW.result}`;

/** The runs that these tasks are in, as JSON. */
export async function readRuns(db: D1Database, ids: string[]): Promise<string> {
  const { results } = await persistOr503(() =>
    db
      .prepare("SELECT id, run FROM tasks WHERE id IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(ids))
      .all<{ id: string; run: number }>(),
  );
  return JSON.stringify(results);
}
