/** Moves circuit breakers on: sends a message for a task that may probe, and makes all held tasks due once a circuit is closed again. */

import { readCandidates, releaseCircuit, type Tripped } from "../../results/limits/circuits.ts";
import { announce } from "../announce.ts";

/** Messages are sent for more tasks than the one that may probe, because something else may hold a task back. */
const CANDIDATES = 5;

const RELEASED_AT_ONCE = 1_000;

/** The time between two looks at a circuit while a task probes it. */
const LOOK_EVERY_MS = 1_000;

/** Moves these; answers when to look again, in ms since the epoch; null while every circuit is closed. */
export async function moveCircuits(env: Env, now: number, tripped: readonly Tripped[]): Promise<number | null> {
  let next: number | null = null;
  for (const { task, openUntil, probe } of tripped) {
    let at: number | null = openUntil;
    if (openUntil === null) {
      at = (await releaseCircuit(env.DB, task, now, RELEASED_AT_ONCE)) ? now : null;
    } else if (openUntil <= now) {
      const candidates = probe === null ? await readCandidates(env.DB, task, CANDIDATES) : [];
      await announce(env, { ring: candidates }, now);
      // Where no task is there to probe, the next submission sends its own message.
      at = probe === null && candidates.length === 0 ? null : now + LOOK_EVERY_MS;
    }
    if (at !== null) next = Math.min(next ?? at, at);
  }
  return next;
}
