/** Cancels tasks, durably: at once, or as soon as the running attempt hears of it. */

import { cancelTasks, type Cancelled } from "../results/cancel-tasks.ts";
import { announceReleased } from "./release.ts";
import { tellObjects } from "./tell.ts";

/** Cancels what has not ended of these; answers how each stands now. `now` is ms since the epoch. */
export async function cancel(env: Env, ids: string[], reason: string | null, now: number): Promise<Cancelled[]> {
  const { after, released } = await cancelTasks(env.DB, ids, reason, now);
  await announceReleased(env, released);
  await tellObjects(
    env,
    after.filter((task) => task.object !== 0 && task.cancelRequestedAt === now).map((task) => task.id),
  );
  return after;
}
