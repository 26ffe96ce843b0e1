/** Token buckets of rate limits: a row each while it is not full. */

import { persist } from "./d1.ts";

/** A full bucket is kept this long, because its row holds the rate that was named last. */
const FULL_FOR_MS = 3_600_000;

/** Forgets buckets that have long been full. */
export async function forgetBuckets(db: D1Database, now: number, limit: number): Promise<void> {
  await persist(() =>
    db
      .prepare("DELETE FROM buckets WHERE key IN (SELECT key FROM buckets WHERE tat <= ?1 LIMIT ?2)")
      .bind(now - FULL_FOR_MS, limit)
      .run(),
  );
}
