/** Takes queued tasks for the caller to run. */

import { earliest, pokeClock } from "../broker/poke.ts";
import { claimTasks, type ClaimedTask } from "../results/claim-tasks.ts";
import { declareLimits } from "./declare-limits.ts";
import { drop } from "./drop.ts";
import { tellObjects } from "./tell.ts";

/** Claims those of `ids` that are queued and may start; the rest is somebody else's already, or waits for its turn. */
export async function claim(env: Env, ids: string[]): Promise<ClaimedTask[]> {
  const now = Date.now();
  await declareLimits(env, now);
  const { claimed, nextTurn, impatient } = await claimTasks(env.DB, ids, crypto.randomUUID(), now);
  // A timer that the claim has moved to the end of the lease is sooner than any that the clock knows of.
  const moved = claimed.filter((task) => task.dueAt === task.leaseUntil).map((task) => task.dueAt);
  const next = earliest([nextTurn, ...moved]);
  const watched = claimed.filter((task) => task.object !== 0).map((task) => task.id);
  await Promise.all([
    tellObjects(env, watched),
    next === null ? null : pokeClock(env, next),
    impatient.length === 0 ? null : drop(env, impatient, now),
  ]);
  return claimed;
}
