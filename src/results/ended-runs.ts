/** The run that a task is in. It fences every statement that begins a new one. */

import { persistOr503 } from "./d1.ts";
import { COLUMN_LIST } from "./task-row.ts";

/**
 * Whether a row is in one of the runs of ?1, which {@link readRuns} has read: SQL. A call that is repeated, because its answer
 * was lost, finds the run that it has begun and changes nothing. No comparison of times could tell this.
 */
export const IN_RUN = "(id, run) IN (SELECT value->>'id', value->>'run' FROM json_each(?1))";

/**
 * What every statement that begins a new run sets, as SQL: only the history of earlier runs stays. What the task waits for, and
 * until when, each statement sets itself.
 */
export const RESET = COLUMN_LIST.filter(({ reset }) => reset !== undefined)
  .map(({ column, reset }) => `${column} = ${reset}`)
  .join(", ");

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
