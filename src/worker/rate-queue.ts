/**
 * Starts the waiters of a rate, each at its very turn, so that none is lost between a timer, a bell and a claim. The claim
 * alone decides what starts: two keepers of one rate, or one that dies, start nothing too soon or twice. It only costs a
 * claim that gets nothing, or the time until the clock looks.
 */

import { log } from "../core/log-events.ts";
import { limitName } from "../core/limit-name.ts";
import { claim } from "../engine/claim.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { readRateQueue, type RateQueue } from "../results/limits/rate-queue.ts";

/** Waiters read at once. */
const AT_ONCE = 20;

/** A claim is made this much before the turn, and as of it: whatever D1 takes, the next turn is not later for it. */
const AHEAD_MS = 100;

/** A turn that is further away is not waited for here. */
const NEAR_MS = 2_000;

/**
 * Starts at most `most` waiters of the rate of this key, each at its turn; answers when to go on, in ms since the epoch, or
 * null where nothing waits that the rate alone holds back. Never throws.
 */
export async function keepRateQueue(
  env: Env,
  key: string,
  start: (task: ClaimedTask) => void,
  most: number,
): Promise<number | null> {
  let left = most;
  try {
    for (let missed: RateQueue | null = null; left > 0;) {
      const line: RateQueue | null = await readRateQueue(env.DB, key, Date.now(), Math.min(AT_ONCE, left));
      // Something else than the rate holds the first waiter back, which the claim alone sees.
      if (line === null || line.next.length === 0) return null;
      if (line.tat === missed?.tat && line.next[0] === missed.next[0]) return null;
      const { started, wakeAt } = await startNext(env, line, start);
      if (wakeAt !== null) return wakeAt;
      left -= Math.max(1, started);
      missed = started < line.next.length ? line : null;
    }
    return Date.now();
  } catch (error) {
    log("rate_queue_not_kept", { task: limitName("rate", key).task, error });
    return null;
  }
}

/** Starts waiters as far as they are as they were read, and near; answers how many, and when the next turn is where it is far. */
async function startNext(
  env: Env,
  { tat, interval, tolerance, next }: RateQueue,
  start: (task: ClaimedTask) => void,
): Promise<{ started: number; wakeAt: number | null }> {
  let due = tat;
  for (const [started, id] of next.entries()) {
    const turn = Math.ceil(due - tolerance);
    const waitMs = Math.max(0, turn - AHEAD_MS - Date.now());
    if (waitMs > NEAR_MS) return { started, wakeAt: turn - AHEAD_MS };
    await scheduler.wait(waitMs);
    const [task] = (await claim(env, [id], Math.max(turn, Date.now()))).claimed;
    // It has ended or started otherwise, or another claim had the turn.
    if (task === undefined) return { started, wakeAt: null };
    start(task);
    due = Math.max(due, task.startedAt) + interval;
  }
  return { started: next.length, wakeAt: null };
}
