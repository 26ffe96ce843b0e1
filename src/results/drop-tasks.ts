/** Ends tasks that may not wait for their turn at a rate. */

import { ARROWS, sqlStates } from "../core/states.ts";
import type { Cancelled } from "./cancel-tasks.ts";
import type { Changes } from "./changes.ts";
import { Batch, persist } from "./d1.ts";
import { cancelledError, ends } from "./ended.ts";
import { owedStatement, type OwedId } from "./webhooks/owed.ts";
import { addRelease } from "./flows/release.ts";

const REASON = "over the rate limit of its task, which drops tasks and queues none";

// Only tasks that never started: one in a later attempt, or after a wait, has done something already and waits for its turn.
const DROP = `
UPDATE tasks SET cancel_requested_at = ?2, cancel_reason = ?3, ${ends("'cancelled'", cancelledError("?3"))}
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(ARROWS.claim.from)} AND started_at IS NULL
  AND EXISTS (SELECT 1 FROM json_each(tasks.rates) AS own JOIN buckets ON buckets.key = own.value->>'key'
    WHERE own.value->>'drop' AND buckets.tat - ?2 > buckets.tolerance)`;

const AFTER = `
SELECT id, tenant, task, lane, state, finished_at AS finishedAt, object, cancel_requested_at AS cancelRequestedAt,
  due_at AS dueAt
FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'cancelled' AND cancel_requested_at = ?2`;

/** Cancels those of `ids` that are over a rate which drops, and that no claim has taken meanwhile. Safe to repeat. */
export async function dropOverRate(db: D1Database, ids: string[], now: number): Promise<Changes> {
  const list = JSON.stringify(ids);
  const batch = new Batch(db);
  batch.add(db.prepare(DROP).bind(list, now, REASON));
  const released = addRelease(batch, db, list, now);
  const moved = batch.rows<Cancelled>(db.prepare(AFTER).bind(list, now));
  const owed = batch.rows<OwedId>(owedStatement(db, list, now));
  await batch.run(persist);
  return { moved: moved(), released: released(), owed: owed() };
}
