/** Takes queued tasks for the caller to run. */

import { pokeClock } from "../broker/poke.ts";
import { claimTasks, type ClaimedTask } from "../results/claim-tasks.ts";
import { tellObjects } from "./tell.ts";

/** Claims those of `ids` that are queued and may start; the rest is somebody else's already, or waits for its turn. */
export async function claim(env: Env, ids: string[]): Promise<ClaimedTask[]> {
  const { claimed, nextTurn } = await claimTasks(env.DB, ids, crypto.randomUUID(), Date.now());
  if (nextTurn !== null) await pokeClock(env, nextTurn);
  const watched = claimed.filter((task) => task.object !== 0).map((task) => task.id);
  await tellObjects(env, watched);
  return claimed;
}
