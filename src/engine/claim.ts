/** Takes queued tasks for the caller to run. */

import { claimTasks, type ClaimedTask } from "../results/claim-tasks.ts";
import { tellObjects } from "./tell.ts";

/** Claims those of `ids` that are queued; the rest is somebody else's already. */
export async function claim(env: Env, ids: string[]): Promise<ClaimedTask[]> {
  const claimed = await claimTasks(env.DB, ids, crypto.randomUUID(), Date.now());
  const watched = claimed.filter((task) => task.object !== 0).map((task) => task.id);
  await tellObjects(env, watched);
  return claimed;
}
