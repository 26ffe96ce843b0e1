/** Moves what is due, and announces it. */

import { isFinal } from "../results/d1.ts";
import { moveDue, type Moves } from "../results/due-tasks.ts";
import { SpentError } from "../results/trouble.ts";
import { announce } from "./announce.ts";

/**
 * Sets timers anew, queues the tasks that start, and expires those that did not start in time. Sends no messages in the lanes
 * of `held`. Returns when the next row is due, in ms since the epoch; null: none is.
 */
export async function moveAllDue(
  env: Env,
  moves: Required<Moves>,
  now: number,
  held: ReadonlyMap<string, unknown>,
): Promise<number | null> {
  try {
    return await move(env, moves, now, held);
  } catch (error) {
    if (!isFinal(error) || error instanceof SpentError) throw error;
  }
  // One row that no statement can move must not hold up the others: an expiry may end a whole flow.
  const { postpone, start, expire } = moves;
  await move(env, { postpone }, now, held);
  await move(env, { start }, now, held);
  return move(env, { expire }, now, held);
}

async function move(env: Env, moves: Moves, now: number, held: ReadonlyMap<string, unknown>): Promise<number | null> {
  const moved = await moveDue(env.DB, moves, now);
  await announce(env, moved, now, held);
  return moved.nextDue;
}
