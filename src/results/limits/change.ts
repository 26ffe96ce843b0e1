/** Changes the limits of every key of a definition at once. */

import { newRate } from "./buckets.ts";
import { persist } from "../d1.ts";
import { retimeStatement } from "./rate-queue.ts";

/** The limits of all keys from `from` on and before `before`; null: there is no such limit. Times are ms. */
export interface DeclaredLimits {
  from: string;
  before: string;
  max: number | null;
  interval: number | null;
  tolerance: number | null;
}

const DECLARED = `(SELECT value->>'from' AS first, value->>'before' AS before, value->>'max' AS max, value->>'interval' AS interval,
  value->>'tolerance' AS tolerance FROM json_each(?1)) AS v`;

const OF_RANGE = "key >= v.first AND key < v.before";

const LIMITS = `
UPDATE limits SET asked = v.max, max = COALESCE(override, v.max) FROM ${DECLARED}
WHERE ${OF_RANGE} AND v.max IS NOT NULL AND limits.asked IS NOT v.max`;

const CHANGES = `${OF_RANGE} AND v.interval IS NOT NULL AND buckets.override IS NULL
  AND (buckets.interval <> v.interval OR buckets.tolerance <> v.tolerance)`;

const CHANGED = `SELECT key FROM buckets, ${DECLARED} WHERE ${CHANGES}`;

const BUCKETS = `UPDATE buckets SET ${newRate("v.interval", "v.tolerance")} FROM ${DECLARED} WHERE ${CHANGES}`;

/** Safe to repeat: only what differs is written. Answers whether a rate has changed, and with it the turns of tasks. */
export async function changeLimits(db: D1Database, limits: DeclaredLimits[], now: number): Promise<boolean> {
  if (limits.length === 0) return false;
  const list = JSON.stringify(limits);
  const { results } = await persist(() => db.prepare(CHANGED).bind(list).all<{ key: string }>());
  const keys = results.map((row) => row.key);
  await persist(() =>
    db.batch([
      db.prepare(LIMITS).bind(list),
      ...(keys.length === 0 ? [] : [db.prepare(BUCKETS).bind(list, now), retimeStatement(db, keys, now)]),
    ]),
  );
  return keys.length > 0;
}
