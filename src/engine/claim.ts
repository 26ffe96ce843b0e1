/** Takes queued tasks for the caller to run. */

import { log } from "../core/log-events.ts";
import { budgetOf } from "../core/plan.ts";
import { earliest } from "../core/wake.ts";
import { claimGathered } from "../results/claim-batches.ts";
import { claimTasks, type Claim, type ClaimedTask } from "../results/claim-tasks.ts";
import { announce } from "./announce.ts";
import { declareLimits } from "./limits/declare.ts";
import { drop } from "./drop.ts";

/** What a worker has to do. */
export interface Taken {
  claimed: ClaimedTask[];
  /** Keys of the rates under which others wait for their turn. */
  rates: string[];
}

/**
 * Claims those of `ids` that are queued and may start at `now` (ms since the epoch), and whoever starts together with them;
 * the rest is somebody else's already, or waits for its turn. `also` is done in the transaction of the claim.
 */
export async function claim(
  env: Env,
  ids: string[],
  now = Date.now(),
  also: readonly D1PreparedStatement[] = [],
): Promise<Taken> {
  await declareLimits(env, now);
  const holder = crypto.randomUUID();
  const alone = await claimTasks(env.DB, ids, holder, now, also);
  const claims = [alone, ...(await together(env, alone, holder, now))];
  const claimed = claims.flatMap((each) => each.claimed);
  const impatient = claims.flatMap((each) => each.impatient);
  // A timer that the claim has moved to the end of the lease is sooner than any that the clock knows of.
  const moved = claimed.filter((task) => task.dueAt === task.leaseUntil).map((task) => task.dueAt);
  const lookAt = earliest([...claims.map((each) => each.nextTurn), ...moved]);
  await Promise.all([
    announce(env, { moved: claimed.map(({ id, lane, state, object }) => ({ id, lane, state, object })), lookAt }, now),
    impatient.length === 0 ? null : drop(env, impatient, now),
  ]);
  return { claimed, rates: alone.rates };
}

/** Never throws, because what starts alone is claimed already: who gathers is rung for again when the time has come. */
async function together(env: Env, { gathering, size }: Claim, holder: string, now: number): Promise<Claim[]> {
  if (gathering.length === 0) return [];
  try {
    return [await claimGathered(env.DB, gathering, size, budgetOf(env).attemptsPerEvent, holder, now)];
  } catch (error) {
    log("batch_not_claimed", { ids: gathering.length, error });
    return [];
  }
}
