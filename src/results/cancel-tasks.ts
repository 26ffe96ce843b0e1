/** Cancels tasks: at once where no attempt holds them, else as a request that the attempt must obey. */

import { IDLE_STATES, sqlStates } from "../core/states.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import { cancelledError, dueWhenEnded } from "./ended.ts";
import { releaseStatements, type Released } from "./release.ts";
import type { State } from "../core/states.ts";

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

/** Cancels those of `ids` that have not ended; answers how all of them stand afterwards. Safe to repeat. */
export async function cancelTasks(
  db: D1Database,
  ids: string[],
  reason: string | null,
  now: number,
): Promise<{ after: Cancelled[]; released: Released[] }> {
  const list = JSON.stringify(ids);
  const results = await persistOr503(() =>
    db.batch([
      db.prepare(IDLE).bind(list, now, reason),
      db.prepare(RUNNING).bind(list, now, reason),
      db.prepare(AFTER).bind(list),
      ...releaseStatements(db, list, now),
    ]),
  );
  return { after: rowsOf<Cancelled>(results, 2), released: rowsOf<Released>(results, results.length - 1) };
}
