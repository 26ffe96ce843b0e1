/** Counts what is on its way. */

import { LIVE_STATES, sqlStates } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** How many of a tenant's tasks have not ended, counted no further than `max`. */
export async function countLive(db: D1Database, tenant: string, max: number): Promise<number> {
  // Whatever has not ended has a timer or waits without one, so these two indexes lead to it past all that has.
  const count = await persistOr503(() =>
    db
      .prepare(
        `SELECT COUNT(*) AS count FROM (
           SELECT 1 FROM tasks INDEXED BY tasks_due
           WHERE due_at IS NOT NULL AND tenant = ?1 AND state IN ${sqlStates(LIVE_STATES)}
           UNION ALL
           SELECT 1 FROM tasks INDEXED BY tasks_waiting
           WHERE state = 'waiting' AND due_at IS NULL AND tenant = ?1 LIMIT ?2)`,
      )
      .bind(tenant, max)
      .first<number>("count"),
  );
  return count ?? 0;
}
