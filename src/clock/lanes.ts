/** Looks after paused lanes, as part of a tick. */

import { earliest } from "../broker/poke.ts";
import { HELD_LOOK_MS } from "../core/limits.ts";
import { forgetPause, readLanes, wakeLane } from "../results/lanes.ts";

/** Tasks woken in one statement, and statements for one lane in one tick. */
const CHUNK = 1_000;
const ROUNDS = 20;

/** The lanes that are held back, and until when (ms since the epoch; infinite where nobody said). */
export type HeldLanes = ReadonlyMap<string, number>;

/** Opens the lanes whose pause is over and wakes who waited in them; answers which are still held, and when to look again. */
export async function keepLanes(env: Env, now: number): Promise<{ held: HeldLanes; nextAt: number | null }> {
  const held = new Map<string, number>();
  const looks: (number | null)[] = [];
  for (const { name, paused, until } of await readLanes(env.DB)) {
    if (paused === 0 || (until !== null && until <= now)) {
      looks.push((await open(env, name, now)) ? null : now);
    } else {
      held.set(name, until ?? Number.POSITIVE_INFINITY);
      looks.push(until);
    }
  }
  return { held, nextAt: earliest(looks) };
}

async function open(env: Env, name: string, now: number): Promise<boolean> {
  for (let round = 0; round < ROUNDS; round++) {
    if (await wakeLane(env.DB, name, now, now + HELD_LOOK_MS, CHUNK)) {
      await forgetPause(env.DB, name, now);
      return true;
    }
  }
  return false;
}
