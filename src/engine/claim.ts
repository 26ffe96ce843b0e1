/** Takes queued tasks for the caller to run. */

import { log } from "../core/log.ts";
import { budgetOf } from "../core/plan.ts";
import { earliest } from "../core/wake.ts";
import { claimGathered } from "../results/claim-batches.ts";
import { claimTasks, type Claim, type ClaimedTask } from "../results/claim-tasks.ts";
import { shareCalls } from "../results/together.ts";
import { announce } from "./announce.ts";
import { declareLimits } from "./limits/declare.ts";
import { drop } from "./drop.ts";

/** What a claim gives a worker. */
export interface Taken {
  claimed: ClaimedTask[];
  /** Keys of the rates in whose queues some of the tasks wait. */
  rates: string[];
}

/**
 * Claims those of `ids` that are queued and may start at `now` (ms since the epoch), and the tasks that start in a batch with
 * them; the rest is claimed already, or has to wait. `also` is done in the transaction of the claim.
 */
export async function claim(
  env: Env,
  ids: string[],
  now = Date.now(),
  also: readonly D1PreparedStatement[] = [],
): Promise<Taken> {
  const { statementsPerSharedCall } = budgetOf(env);
  if (statementsPerSharedCall > 0 && mayShare()) shareCalls(env.DB, statementsPerSharedCall);
  await declareLimits(env, now);
  const holder = crypto.randomUUID();
  const alone = await claimTasks(env.DB, ids, holder, now, also);
  const claims = [alone, ...(await together(env, alone, holder, now))];
  const claimed = claims.flatMap((each) => each.claimed);
  const impatient = claims.flatMap((each) => each.impatient);
  // The claim has set these timers to the end of the lease, which is earlier than the clock's next look.
  const moved = claimed.filter((task) => task.dueAt === task.leaseUntil).map((task) => task.dueAt);
  const lookAt = earliest([...claims.map((each) => each.nextTurn), ...moved]);
  await Promise.all([
    announce(env, { moved: claimed.map(({ id, lane, state, object }) => ({ id, lane, state, object })), lookAt }, now),
    impatient.length === 0 ? null : drop(env, impatient, now),
  ]);
  return { claimed, rates: alone.rates };
}

/** Never throws, because tasks that start alone are claimed already: the clock sends messages for batch tasks again when they are due. */
async function together(env: Env, { gathering, size }: Claim, holder: string, now: number): Promise<Claim[]> {
  if (gathering.length === 0) return [];
  try {
    return [await claimGathered(env.DB, gathering, size, budgetOf(env).attemptsPerEvent, holder, now)];
  } catch (error) {
    log("batch_not_claimed", { ids: gathering.length, error });
    return [];
  }
}

/**
 * Whether an event that waits for a promise continues as itself where another event resolves it; shared calls depend on that. It is
 * so by default since 2024-10-14 (https://developers.cloudflare.com/workers/configuration/compatibility-flags/).
 */
function mayShare(): boolean {
  return Cloudflare.compatibilityFlags["handle_cross_request_promise_resolution"] === true;
}
