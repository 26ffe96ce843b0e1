/** Changes the limits of every key of a definition at once. */

import { persist } from "./d1.ts";

/** What holds for all keys with this prefix; null: there is no such limit. Times are ms. */
export interface DeclaredLimits {
  /** Ends with a colon; what follows it is the key's own part. */
  prefix: string;
  max: number | null;
  interval: number | null;
  tolerance: number | null;
}

const DECLARED = `(SELECT value->>'prefix' AS prefix, value->>'max' AS max, value->>'interval' AS interval,
  value->>'tolerance' AS tolerance FROM json_each(?1)) AS v`;

/** The keys that begin with the prefix are those from it up to the character after the colon. */
const OF_PREFIX = "key >= v.prefix AND key < rtrim(v.prefix, ':') || ';'";

const LIMITS = `
UPDATE limits SET max = v.max FROM ${DECLARED} WHERE ${OF_PREFIX} AND v.max IS NOT NULL AND limits.max <> v.max`;

const BUCKETS = `
UPDATE buckets SET interval = v.interval, tolerance = v.tolerance FROM ${DECLARED}
WHERE ${OF_PREFIX} AND v.interval IS NOT NULL
  AND (buckets.interval <> v.interval OR buckets.tolerance <> v.tolerance)`;

/** Safe to repeat: only what differs is written. */
export async function changeLimits(db: D1Database, limits: DeclaredLimits[]): Promise<void> {
  const list = JSON.stringify(limits);
  if (limits.length === 0) return;
  await persist(() => db.batch([db.prepare(LIMITS).bind(list), db.prepare(BUCKETS).bind(list)]));
}
