/** Queues tasks whose start has come. */

import { startTasks, type Postponed } from "../results/start-tasks.ts";
import { announce } from "./announce.ts";

/**
 * Queues those of `ids` whose start has come at `now`, and sets the timers of `postponed`. Sends no messages in the lanes of
 * `held`. Returns when the next row is due; null: none is. Instants are ms since the epoch.
 */
export async function start(
  env: Env,
  ids: string[],
  postponed: Postponed[],
  now: number,
  held: ReadonlyMap<string, unknown>,
): Promise<number | null> {
  const { nextDue, ...changes } = await startTasks(env.DB, ids, now, postponed);
  await announce(env, changes, now, held);
  return nextDue;
}
