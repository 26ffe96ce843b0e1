/** Starts waiters where a slot under their concurrency key is free, as part of a tick. */

import { ringIdleKeys } from "../engine/limits/waiters.ts";

/** Usually the worker that frees a slot sends a message for the next waiter; this look is for workers that died before that. */
const EVERY_MS = 3_000;

let lookedAt = 0;

/** The key after which the next look begins. To lose it with the isolate only costs time. */
let after = "";

/**
 * Sends messages for waiters under at most `keys` keys that have a free slot; `hasWaiters`: whether any task waits. Returns when
 * to look again, in ms since the epoch.
 */
export async function keepWaiters(env: Env, now: number, hasWaiters: boolean, keys: number): Promise<number | null> {
  if (!hasWaiters) return null;
  if (now - lookedAt >= EVERY_MS) {
    lookedAt = now;
    after = await ringIdleKeys(env, keys, after);
  }
  return lookedAt + EVERY_MS;
}
