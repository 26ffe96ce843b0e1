/** Moves what is due, and tells those whom it concerns. */

import { ringBells, type Ringing } from "../broker/bells.ts";
import { isFinal } from "../results/d1.ts";
import { moveDue, type Moved, type Moves } from "../results/due-tasks.ts";
import { SpentError } from "../results/trouble.ts";
import { deliverFor } from "./webhooks/deliver.ts";
import { observeEnds } from "./stats/observe.ts";
import { announceReleased } from "./release.ts";
import { tellObjects } from "./events/tell.ts";

/**
 * Sets timers anew, queues and rings for what starts unless its lane is held back, and ends what did not start in time.
 * Answers when the next row is due, in ms since the epoch; null: none is.
 */
export async function moveAllDue(
  env: Env,
  moves: Required<Moves>,
  now: number,
  held: ReadonlyMap<string, unknown>,
): Promise<number | null> {
  try {
    return await announce(env, await moveDue(env.DB, moves, now), now, held);
  } catch (error) {
    if (!isFinal(error) || error instanceof SpentError) throw error;
  }
  // One row that no statement can move must not hold up the others: an expiry may end a whole flow.
  const { postpone, start, expire } = moves;
  await moveDue(env.DB, { postpone }, now);
  await announce(env, await moveDue(env.DB, { start }, now), now, held);
  return announce(env, await moveDue(env.DB, { expire }, now), now, held);
}

async function announce(
  env: Env,
  { queued, expired, released, owed, nextDue }: Moved,
  now: number,
  held: ReadonlyMap<string, unknown>,
): Promise<number | null> {
  observeEnds(expired, now);
  await Promise.all([
    ringBells(
      env,
      queued.filter((task) => !held.has(task.lane)),
    ),
    tellObjects(env, expired),
    announceReleased(env, released),
    deliverFor(env, owed),
  ]);
  return nextDue;
}

/** Rings again for tasks that nobody came for. */
export async function ring(env: Env, tasks: Ringing[]): Promise<void> {
  if (tasks.length > 0) await ringBells(env, tasks);
}
