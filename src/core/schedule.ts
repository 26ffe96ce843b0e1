/**
 * What a schedule's time coming means: which ticks make tasks now, and when to look again. Pure:
 * the schedule says which tick it waits for, and the clock says how late it is.
 */

import { rhythmOf, type Rhythm, type Timing } from "./rhythm.ts";

/** What becomes of a tick while the task of the one before is live. */
export const OVERLAPS = ["skip", "queue", "allow", "replace"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** What becomes of a look's ticks. `follow`: as `skip`, but behind a task that is made up for, or waits for one, they queue. */
export type LookOverlap = Overlap | "follow";

/** Which of the ticks that were missed are made up for. */
export const CATCH_UPS = ["none", "last", "all"] as const;
export type CatchUp = (typeof CATCH_UPS)[number];

/** A tick that comes later than this counts as missed, and sooner where its interval is shorter. */
const MISSED_AFTER_MS = 60_000;

/** Whose the schedules are that the deployment declares. */
export const DECLARED_TENANT = "default";

/** Ticks of one schedule that are made up for in one look; the rest follows at the next. */
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
  // None that was missed may be skipped, so they run one after the other, and none because those are still at it.
  return { ticks, overlap: ticks.length > 1 || isMissed(rhythm, due, now) ? "queue" : "follow", nextAt };
}

/** The ticks since `due` that are in time, and the last of those before if it is made up for. */
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

/** From where an interval is counted: an upsert with the same one keeps its phase, unless it names another start. */
export function anchorOf(
  wanted: Pick<Timing, "everyMs" | "startAt">,
  before: Pick<Timing, "everyMs" | "anchor"> | null,
  now: number,
): number {
  if (wanted.startAt !== null) return wanted.startAt;
  return before !== null && before.everyMs === wanted.everyMs ? before.anchor : now;
}
