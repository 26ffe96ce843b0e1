/** Ends flows at their deadlines, as part of a tick. */

import { log } from "../core/log.ts";
import { endOverdue } from "../engine/flows/deadline.ts";
import { readOverdue } from "../results/flows/deadlines.ts";

/** Flows ended in one tick. */
const MAX_FLOWS = 100;

/** Pause before the next look after a deadline has passed: flows may be left, or could not be ended. */
const AGAIN_MS = 1_000;

/**
 * Ends the flows whose deadline has passed, as long as `mayGoOn` allows. `next` is the first deadline; returns when to look
 * again. Both in ms since the epoch.
 */
export async function keepDeadlines(
  env: Env,
  now: number,
  next: number | null,
  mayGoOn: () => boolean = () => true,
): Promise<number | null> {
  if (next === null || next > now) return next;
  for (const id of await readOverdue(env.DB, now, MAX_FLOWS)) {
    if (!mayGoOn()) break;
    try {
      await endOverdue(env, id, now);
    } catch (error) {
      // One flow must not hold up the others, nor the tasks.
      log("flow_not_ended", { flowId: id, error });
    }
  }
  return now + AGAIN_MS;
}
