/**
 * Starts the waiters of a rate queue, each exactly at its turn, so that no turn is lost between a timer, a queue message and
 * a claim. The claim alone decides what starts: two keepers of one rate start nothing too soon or twice, they only cost a
 * claim that gets nothing. If the keeper dies, the waiters start when the clock looks.
 */

import { log } from "../core/log.ts";
import { limitName } from "../core/limit-name.ts";
import { claim } from "../engine/claim.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { readRateQueue, type RateQueue } from "../results/limits/rate-queue.ts";

/** Waiters read in one query. */
const AT_ONCE = 20;

/** A claim is sent this long before the turn, and with the turn's time, so that D1's latency does not delay the next turn. */
const AHEAD_MS = 100;

/** For a turn that is further away, the object sleeps until its alarm. */
const NEAR_MS = 2_000;

/**
 * Starts at most `most` waiters under this key, each at its turn; returns when to go on, in ms since the epoch, or
 * null where no waiter is held back by the rate alone. Never throws.
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
      // If nothing has changed since the last read, another limit holds the first waiter back: only the claim checks that.
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

/** Starts waiters until a claim gets nothing or a turn is far away; returns how many, and when to go on where the turn is far away. */
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
    // The task has ended or was started elsewhere, or another claim took the turn.
    if (task === undefined) return { started, wakeAt: null };
    start(task);
    due = Math.max(due, task.startedAt) + interval;
  }
  return { started: next.length, wakeAt: null };
}
