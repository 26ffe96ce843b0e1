/** Which run of a task it is that ends, or that another follows: the fence of whatever begins a new one. */

import { persistOr503 } from "./d1.ts";

/**
 * Whether a row is in one of the runs of ?1, which {@link readRuns} has read: SQL. A call that is repeated because its answer
 * was lost finds the run that it has begun, not the one that it was to follow, whatever the clocks say.
 */
export const IN_RUN = "(id, run) IN (SELECT value->>'id', value->>'run' FROM json_each(?1))";

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
