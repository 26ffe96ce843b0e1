/** Cancels tasks, durably: at once, or as soon as the running attempt learns of it. */

import type { Audit } from "../results/audit.ts";
import { cancelTasks, type Cancelled } from "../results/cancel-tasks.ts";
import { announce } from "./announce.ts";

/**
 * Cancels those of these tasks, and of the tasks that they spawned, that have not ended; with `undo` their steps are undone
 * first. Returns the present state of each task of `ids`. `now` is ms since the epoch.
 */
export async function cancel(
  env: Env,
  ids: string[],
  reason: string | null,
  now: number,
  undo = false,
  audit: Audit | null = null,
): Promise<Cancelled[]> {
  const cancellation = await cancelTasks(env.DB, ids, reason, now, undo, audit);
  await announce(env, cancellation, now);
  const asked = new Set(ids);
  return cancellation.after.filter((task) => asked.has(task.id));
}
