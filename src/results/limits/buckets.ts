/** Token buckets of rate limits: a row each while it is not full. */

import { persist } from "../d1.ts";

// The bucket's time moves later, never sooner; and only for the attempt that runs the task.
const HOLD_BACK = `
INSERT INTO buckets (key, tat, interval, tolerance, held_until)
SELECT own.value->>'key', ?3 + (own.value->>'tolerance'), own.value->>'interval', own.value->>'tolerance', ?3
FROM tasks, json_each(tasks.rates) AS own
WHERE tasks.id = ?1 AND tasks.attempt = ?2 AND tasks.state = 'running'
ON CONFLICT (key) DO UPDATE SET tat = ?3 + buckets.tolerance, held_until = ?3 WHERE buckets.tat < ?3 + buckets.tolerance`;

/**
 * What an update of a bucket at `now` (SQL) sets for another rate. The debt shrinks, so that the next start waits one interval of
 * the new rate at most, but nothing starts before `held_until`.
 */
export function newRate(interval: string, tolerance: string, now = "?2"): string {
  return `interval = ${interval}, tolerance = ${tolerance},
    tat = MAX(MIN(tat, ${now} + ${tolerance} + ${interval}), COALESCE(held_until, 0) + ${tolerance})`;
}

/** Lets no task under the rates of this attempt's task start before `until`, in ms since the epoch, and gives no burst after it. */
export async function holdBack(db: D1Database, id: string, attempt: number, until: number): Promise<void> {
  await persist(() => db.prepare(HOLD_BACK).bind(id, attempt, until).run());
}

/** A full bucket is kept this long, because its row holds the rate that was named last. */
const FULL_FOR_MS = 3_600_000;

/** Looks at `limit` buckets after the key `after`, and forgets those that have long been full. */
export function forgetBuckets(db: D1Database, now: number, after: string, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM buckets WHERE key IN (SELECT key FROM buckets WHERE key > ?2 ORDER BY key LIMIT ?3)
         AND tat <= ?1 AND override IS NULL`,
    )
    .bind(now - FULL_FOR_MS, after, limit);
}
