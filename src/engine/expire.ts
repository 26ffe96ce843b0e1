/** Ends tasks that did not start in time. */

import { expireTasks } from "../results/due-tasks.ts";
import { deliverFor } from "./deliver.ts";
import { observeEnds } from "./observe.ts";
import { announceReleased } from "./release.ts";
import { tellObjects } from "./tell.ts";

export async function expire(env: Env, ids: string[], now: number): Promise<void> {
  if (ids.length === 0) return;
  const { expired, released, owed } = await expireTasks(env.DB, ids, now);
  observeEnds(expired, now);
  await Promise.all([tellObjects(env, expired), announceReleased(env, released), deliverFor(env, owed)]);
}
