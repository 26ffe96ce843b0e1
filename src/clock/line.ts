/** Looks after those who wait for a place under a concurrency key, as part of a tick. */

import { ringIdleKeys } from "../engine/line.ts";
import { isAnyoneWaiting } from "../results/places.ts";

/** Usually whoever frees a place rings for the next one; this is for those who died before they could. */
const EVERY_MS = 3_000;

let lookedAt = 0;

/** Rings where a place is free while somebody waits; answers when to look again, in ms since the epoch. */
export async function keepLine(env: Env, now: number): Promise<number | null> {
  if (!(await isAnyoneWaiting(env.DB))) return null;
  if (now - lookedAt >= EVERY_MS) {
    lookedAt = now;
    await ringIdleKeys(env);
  }
  return lookedAt + EVERY_MS;
}
