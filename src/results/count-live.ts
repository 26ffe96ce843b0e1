/** Counts what is on its way. */

import { LIVE_STATES, sqlStates } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** How many of a tenant's tasks have not ended, counted no further than `max`; without those of a flow that wait for others. */
export async function countLive(db: D1Database, tenant: string, max: number): Promise<number> {
  // What can start by itself has a timer, so the timers' index leads to it past all that has ended.
  const count = await persistOr503(() =>
    db
      .prepare(
        `SELECT COUNT(*) AS count FROM (
           SELECT 1 FROM tasks INDEXED BY tasks_due
           WHERE due_at IS NOT NULL AND tenant = ?1 AND state IN ${sqlStates(LIVE_STATES)} LIMIT ?2)`,
      )
      .bind(tenant, max)
      .first<number>("count"),
  );
  return count ?? 0;
}
