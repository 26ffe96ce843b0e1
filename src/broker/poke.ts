/** Wakes the clock in time, without asking it more often than needed. */

import { log } from "../core/log.ts";
import { placed } from "../core/location.ts";

/** When this isolate knows the clock will tick next, in ms since the epoch. */
let knownTick = 0;

/** A known tick closer than this is not trusted, because the clocks of two machines differ. */
const MARGIN_MS = 1_000;

/**
 * A known tick further away than this is not trusted either: the clock keeps the ticks that it has answered, even if it ticks
 * before them, but only those within this time. A timer that is further away needs no request of its own: a tick before then
 * finds it in the rows. So such timers cost a request now and then, not one each.
 */
export const TRUSTED_MS = 60_000;

/** The one clock of the deployment. */
export function clockOf(env: Env) {
  return env.CLOCK.getByName("clock", placed(env));
}

/**
 * Makes sure that the clock ticks at `at` (ms since the epoch) or sooner. Never fails: what the
 * clock is not told, its watchdog finds.
 */
export async function pokeClock(env: Env, at: number): Promise<void> {
  const now = Date.now();
  if (knownTick > now + MARGIN_MS && knownTick <= at) return;
  try {
    const tick = await clockOf(env).wakeBy(Math.min(at, now + TRUSTED_MS));
    knownTick = tick <= now + TRUSTED_MS ? tick : 0;
  } catch (error) {
    log("clock_not_poked", { error });
  }
}
