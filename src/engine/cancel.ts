/** Cancels tasks, durably: at once, or as soon as the running attempt hears of it. */

import { ringBells } from "../broker/bells.ts";
import { earliest, pokeClock } from "../broker/poke.ts";
import type { Audit } from "../results/audit.ts";
import { cancelTasks, type Cancellation, type Cancelled } from "../results/cancel-tasks.ts";
import { deliverFor } from "./webhooks/deliver.ts";
import { observeEnds, writeCounts } from "./stats/observe.ts";
import { announceReleased } from "./release.ts";
import { tellObjects } from "./events/tell.ts";

/**
 * Cancels what has not ended of these and of what they spawned, and with `undo` has their steps undone
 * first; answers how each of these stands now. `now` is ms since the epoch.
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
  await announceCancelled(env, cancellation, now);
  const asked = new Set(ids);
  return cancellation.after.filter((task) => asked.has(task.id));
}

/** Tells whoever must hear of a cancellation, and rings for those whom it released. */
export async function announceCancelled(env: Env, { after, released, owed }: Cancellation, now: number): Promise<void> {
  const changed = after.filter((task) => task.cancelRequestedAt === now);
  // What was to start in a year may have to be removed in a minute.
  const next = earliest(changed.map((task) => task.dueAt));
  if (next !== null) await pokeClock(env, next);
  await ringBells(
    env,
    changed.filter((task) => task.state === "queued"),
  );
  observeEnds(
    changed.filter((task) => task.finishedAt === now),
    now,
  );
  await announceReleased(env, released);
  await tellObjects(env, changed);
  await deliverFor(env, owed);
  await writeCounts(env);
}
