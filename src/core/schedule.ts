/**
 * What to do when a schedule is due: which ticks make tasks now, and when to look again. Pure:
 * the arguments say which tick the schedule waits for, and what time it is.
 */

import { rhythmOf, type Rhythm, type Timing } from "./rhythm.ts";

/** What happens to a tick while the task of the tick before it has not ended. */
export const OVERLAPS = ["skip", "queue", "allow", "replace"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/**
 * What happens to the ticks of a look. `follow`: as `skip`, but they queue behind the task of a missed tick, or behind a task
 * that waits for such a task.
 */
export type LookOverlap = Overlap | "follow";

/** Which of the ticks that were missed are made up for. */
export const CATCH_UPS = ["none", "last", "all"] as const;
export type CatchUp = (typeof CATCH_UPS)[number];

/** A tick that is later than this, or than its interval where that is shorter, counts as missed. */
const MISSED_AFTER_MS = 60_000;

/** The tenant of the schedules that the deployment declares. */
export const DECLARED_TENANT = "default";

/** Missed ticks of one schedule that one look makes up for; the next look makes up for the rest. */
export const MAX_TICKS_PER_LOOK = 1_000;

export interface Plan {
  timing: Timing;
  overlap: Overlap;
  catchUp: CatchUp;
}

/** Instants are ms since the epoch. */
export interface Look {
  /** Ticks to make tasks for, oldest first. */
  ticks: number[];
  overlap: LookOverlap;
  /** The tick to wait for; it may be due already. Null where none ever comes. */
  nextAt: number | null;
}

/** A look at `now` at a schedule that waits for the tick at `due`, which is not later. */
export function lookAt(plan: Plan, due: number, now: number, max = MAX_TICKS_PER_LOOK): Look {
  const rhythm = rhythmOf(plan.timing);
  const { catchUp, overlap } = plan;
  if (catchUp !== "all") {
    const ticks = lateTicks(rhythm, due, now, catchUp);
    return { ticks: overlap === "skip" ? ticks.slice(0, 1) : ticks, overlap, nextAt: rhythm.next(now) };
  }
  const ticks = [];
  let nextAt: number | null = due;
  while (nextAt !== null && nextAt <= now && ticks.length < max) {
    ticks.push(nextAt);
    nextAt = rhythm.next(nextAt);
  }
  if (overlap !== "skip") return { ticks, overlap, nextAt };
  // No missed tick may be skipped, so their tasks run one after the other; and no tick may be skipped because those tasks still run.
  return { ticks, overlap: ticks.length > 1 || isMissed(rhythm, due, now) ? "queue" : "follow", nextAt };
}

/** The ticks since `due` that are on time, and with `last` the latest one that was missed. */
function lateTicks(rhythm: Rhythm, due: number, now: number, catchUp: "none" | "last"): number[] {
  const ticks: number[] = [];
  let tick = rhythm.previous(now + 1);
  while (tick !== null && tick >= due) {
    const missed = isMissed(rhythm, tick, now);
    if (!missed || catchUp === "last") ticks.unshift(tick);
    if (missed) break;
    tick = rhythm.previous(tick);
  }
  return ticks;
}

function isMissed(rhythm: Rhythm, tick: number, now: number): boolean {
  const after = rhythm.next(tick);
  const patience = after === null ? MISSED_AFTER_MS : Math.min(after - tick, MISSED_AFTER_MS);
  return now - tick > patience;
}

/** The instant from which an interval is counted: an upsert with the same interval keeps it, unless it names a start. */
export function anchorOf(
  wanted: Pick<Timing, "everyMs" | "startAt">,
  before: Pick<Timing, "everyMs" | "anchor"> | null,
  now: number,
): number {
  if (wanted.startAt !== null) return wanted.startAt;
  return before !== null && before.everyMs === wanted.everyMs ? before.anchor : now;
}
