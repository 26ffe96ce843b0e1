/** Ends tasks that did not start by their expiry. */

import { expireTasks } from "../results/expire-tasks.ts";
import { announce } from "./announce.ts";

/**
 * Ends those of `ids` that are past their expiry at `now` and have never started. Sends no messages for tasks that this
 * releases in the lanes of `held`. Returns when the next row is due; null: none is. Instants are ms since the epoch.
 */
export async function expire(
  env: Env,
  ids: string[],
  now: number,
  held?: ReadonlyMap<string, unknown>,
): Promise<number | null> {
  const { nextDue, ...changes } = await expireTasks(env.DB, ids, now);
  await announce(env, changes, now, held);
  return nextDue;
}
