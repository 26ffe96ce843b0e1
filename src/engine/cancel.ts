/** Cancels tasks, durably: at once, or as soon as the running attempt hears of it. */

import { cancelTasks, type Cancelled } from "../results/cancel-tasks.ts";
import { deliverFor } from "./deliver.ts";
import { announceReleased } from "./release.ts";
import { tellObjects } from "./tell.ts";

/** Cancels what has not ended of these and of what they spawned; answers how each of these stands now. `now` is ms since the epoch. */
export async function cancel(env: Env, ids: string[], reason: string | null, now: number): Promise<Cancelled[]> {
  const { after, released, owed } = await cancelTasks(env.DB, ids, reason, now);
  await announceReleased(env, released);
  await tellObjects(
    env,
    after.filter((task) => task.object !== 0 && task.cancelRequestedAt === now).map((task) => task.id),
  );
  await deliverFor(env, owed);
  const asked = new Set(ids);
  return after.filter((task) => asked.has(task.id));
}
