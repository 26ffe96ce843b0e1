/**
 * Keeps the line of a rate: starts whoever comes next at its very turn, so that none is lost between a timer, a bell and a claim.
 * The claim alone decides who starts. Where several isolates keep the same line, or one dies, nothing is started too soon
 * or twice: it only costs a claim that gets nothing, or the time until the clock looks.
 */

import { TURN_GRACE_MS } from "../core/limits.ts";
import { claim } from "../engine/claim.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { readRateLine, type RateLine } from "../results/turns.ts";

/** Read of a line in one go. */
const AT_ONCE = 20;

/** A claim is made this much before the turn, and as of it: whatever D1 takes, the next turn is not later for it. */
const AHEAD_MS = 100;

/** A turn that is further away is left to the clock. */
const MAX_WAIT_MS = 60_000;

/** How long a line is trusted to be as it was read: the rate may change while it is waited for. */
const LOOK_EVERY_MS = 5_000;

/** Until when each line is kept by somebody in this isolate, who may be cut off. */
const keptUntil = new Map<string, number>();

/** What a worker does with those who start. */
export interface Starter {
  hasRoom: () => boolean;
  /** Never throws. */
  work: (tasks: ClaimedTask[]) => Promise<void>;
}

/** Starts those who wait under the rate of this key, each at its turn, until nobody does. Never throws. */
export async function keepTurns(env: Env, key: string, { hasRoom, work }: Starter): Promise<void> {
  if ((keptUntil.get(key) ?? 0) > Date.now()) return;
  const works: Promise<void>[] = [];
  const start = (task: ClaimedTask) => works.push(runAt(task, work));
  try {
    for (let missed: RateLine | null = null; ;) {
      keptUntil.set(key, Date.now() + TURN_GRACE_MS);
      const line: RateLine | null = await readRateLine(env.DB, key, Date.now(), AT_ONCE);
      // Something else than the rate holds its first back, which the claim alone sees.
      if (line === null || (line.tat === missed?.tat && line.next[0] === missed.next[0])) break;
      const went = await startNext(env, key, line, hasRoom, start);
      if (went === "left") break;
      missed = went === "missed" ? line : null;
    }
  } catch (error) {
    console.warn(JSON.stringify({ event: "line_not_kept", key, error: String(error) }));
  } finally {
    keptUntil.delete(key);
  }
  await Promise.all(works);
}

/** Starts those who come next as far as the line is as it was read. "left": there is nobody to wait for here. */
async function startNext(
  env: Env,
  key: string,
  { tat, interval, tolerance, next }: RateLine,
  hasRoom: () => boolean,
  start: (task: ClaimedTask) => void,
): Promise<"went on" | "missed" | "left"> {
  let due = tat;
  for (const id of next) {
    const turn = Math.ceil(due - tolerance);
    const waitMs = Math.max(0, turn - AHEAD_MS - Date.now());
    if (waitMs > MAX_WAIT_MS || !hasRoom()) return "left";
    keptUntil.set(key, Date.now() + Math.min(waitMs, LOOK_EVERY_MS) + TURN_GRACE_MS);
    await scheduler.wait(Math.min(waitMs, LOOK_EVERY_MS));
    if (waitMs > LOOK_EVERY_MS) return "went on";
    const [task] = (await claim(env, [id], Math.max(turn, Date.now()))).claimed;
    // It has ended or started otherwise, or somebody else had the turn.
    if (task === undefined) return "missed";
    start(task);
    due = Math.max(due, task.startedAt) + interval;
  }
  return next.length > 0 ? "went on" : "left";
}

/** Nothing that was claimed ahead begins before its start. */
async function runAt(task: ClaimedTask, work: Starter["work"]): Promise<void> {
  await scheduler.wait(Math.max(0, task.startedAt - Date.now()));
  await work([task]);
}
