/** Looks after tasks that wait for a place under a concurrency key, as part of a tick. */

import { ringIdleKeys } from "../engine/limits/waiters.ts";

/** Usually whatever frees a place rings for the next one; this is for what died before it could. */
const EVERY_MS = 3_000;

let lookedAt = 0;

/** Where the next look begins. What is lost with the isolate costs time alone. */
let after = "";

/**
 * Rings where a place is free while a task waits, as `hasWaiters` says that one does, under at most `keys` keys; answers when to
 * look again, in ms since the epoch.
 */
export async function keepWaiters(env: Env, now: number, hasWaiters: boolean, keys: number): Promise<number | null> {
  if (!hasWaiters) return null;
  if (now - lookedAt >= EVERY_MS) {
    lookedAt = now;
    after = await ringIdleKeys(env, keys, after);
  }
  return lookedAt + EVERY_MS;
}
