/** Places under concurrency keys: who comes next, and who has them. */

import { Batch, persist } from "../d1.ts";
import type { Queued } from "../../core/states.ts";
import { laneIsOpen } from "../lanes/lanes.ts";

/** More are rung for than there is room, because the next in line may lack a place under another key. */
const SPARE = 8;

/** Who waits in a paused lane is rung for when it opens. */
const WAITS_FOR_SLOT = `places.running = 0 AND tasks.state = 'queued' AND ${laneIsOpen("0")}`;

const NEXT = `
SELECT tasks.id, tasks.lane FROM places JOIN tasks ON tasks.id = places.task_id
WHERE places.key = ?1 AND ${WAITS_FOR_SLOT}
ORDER BY places.task_id
LIMIT (SELECT CASE WHEN room > 0 THEN room + ${SPARE} ELSE 0 END FROM (
  SELECT COALESCE((SELECT max FROM limits WHERE key = ?1), 0)
    - (SELECT COUNT(*) FROM places WHERE key = ?1 AND running = 1) AS room))`;

/** Keys that one call looks at, each by a statement: the clock comes back to those beyond. */
const MAX_KEYS = 100;

/** The next in line for each of these keys that has room. */
export async function readNextWaiters(db: D1Database, keys: readonly string[]): Promise<Queued[]> {
  const batch = new Batch(db);
  const rows = keys.slice(0, MAX_KEYS).map((key) => batch.rows<Queued>(db.prepare(NEXT).bind(key)));
  await batch.run(persist);
  const next = rows.flatMap((each) => each());
  return [...new Map(next.map((task) => [task.id, task])).values()];
}

/** Keys that have room while somebody waits: their bell was lost, or their limit was raised. */
export async function readIdleKeys(db: D1Database, limit: number): Promise<string[]> {
  const { results } = await persist(() =>
    db
      .prepare(
        `SELECT key FROM limits
         WHERE max > (SELECT COUNT(*) FROM places WHERE places.key = limits.key AND running = 1)
           AND EXISTS (SELECT 1 FROM places JOIN tasks ON tasks.id = places.task_id
             WHERE places.key = limits.key AND ${WAITS_FOR_SLOT})
         LIMIT ?1`,
      )
      .bind(limit)
      .all<{ key: string }>(),
  );
  return results.map((row) => row.key);
}

/** Answers a row where a task waits for a place. What starts later, or waits for something else, is none. */
export const ANY_WAITER = `SELECT 1 AS found FROM places JOIN tasks ON tasks.id = places.task_id WHERE ${WAITS_FOR_SLOT} LIMIT 1`;

/** Looks at `limit` keys after `after`, and forgets the limits of those that nothing uses any more and the API has not changed. */
export function forgetLimits(db: D1Database, after: string, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE key > ?1 ORDER BY key LIMIT ?2)
         AND override IS NULL AND NOT EXISTS (SELECT 1 FROM places WHERE places.key = limits.key)`,
    )
    .bind(after, limit);
}
