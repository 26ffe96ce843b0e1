/** When a schedule ticks: by a cron expression in a zone's wall time, or at an interval. Pure; instants are ms since the epoch. */

import { Cron } from "croner";
import { changeWithin, instantOf, offsetOf, repeatedUntil, wallOf } from "./zone.ts";

/** What decides on the ticks of a schedule. */
export interface Timing {
  /** Five or six fields; null where it ticks at an interval. */
  cron: string | null;
  everyMs: number | null;
  timezone: string;
  /** No tick before it. */
  startAt: number | null;
  /** No tick after it. */
  endAt: number | null;
  /** An interval is counted from here: the first tick is one interval later. */
  anchor: number;
}

/** Both answer null where there is no such tick. */
export interface Rhythm {
  /** The first tick after `at`. */
  next(at: number): number | null;
  /** The last tick before `at`. */
  previous(at: number): number | null;
}

/** Only fields of numbers and names: croner's `?` would mean the moment of parsing. */
const CRON = /^[\dA-Z*,/#-]+( +[\dA-Z*,/#-]+){4,5}$/i;

/** Why this is no cron expression, or null where it is one. */
export function whyNoCron(text: string): string | null {
  if (!CRON.test(text)) return "write five fields (minute hour day month weekday), or six with seconds first";
  try {
    const next = newCron(text).nextRun(new Date(0));
    return next === null ? "it never comes true" : null;
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, "");
  }
}

/** The ticks of a schedule with this timing. */
export function rhythmOf(timing: Timing): Rhythm {
  const { cron, everyMs, timezone, anchor, startAt, endAt } = timing;
  const endless = cron === null ? interval(everyMs!, anchor) : cronRhythm(cron, timezone);
  return {
    next(at) {
      const tick = endless.next(startAt === null ? at : Math.max(at, startAt - 1));
      return tick === null || (endAt !== null && tick > endAt) ? null : tick;
    },
    previous(at) {
      const tick = endless.previous(endAt === null ? at : Math.min(at, endAt + 1));
      return tick === null || (startAt !== null && tick < startAt) ? null : tick;
    },
  };
}

/** The next ticks after `at`, at most `count`. */
export function nextTicks(rhythm: Rhythm, at: number, count: number): number[] {
  const ticks: number[] = [];
  let tick = rhythm.next(at);
  while (tick !== null && ticks.length < count) {
    ticks.push(tick);
    tick = rhythm.next(tick);
  }
  return ticks;
}

function interval(everyMs: number, anchor: number): Rhythm {
  return {
    next: (at) => anchor + Math.max(1, Math.floor((at - anchor) / everyMs) + 1) * everyMs,
    previous(at) {
      const n = Math.ceil((at - anchor) / everyMs) - 1;
      return n < 1 ? null : anchor + n * everyMs;
    },
  };
}

/**
 * Croner finds the wall times that an expression names, as if in UTC, and the zone turns them into instants. Croner's own rule
 * for days on which the clock is changed depends on how the expression is written; the rule here depends on its hours.
 */
function cronRhythm(text: string, zone: string): Rhythm {
  const cron = newCron(text);
  const walls: Rhythm = {
    next: (at) => cron.nextRun(new Date(at))?.getTime() ?? null,
    previous: (at) => cron.previousRuns(1, new Date(at))[0]?.getTime() ?? null,
  };
  if (zone === "UTC") return walls;
  const hours = text.split(/ +/).at(-4)!;
  return /[*/]/.test(hours) ? runningRhythm(walls, zone) : fixedRhythm(walls, zone);
}

/** For fixed hours: every wall time ticks once; a wall time that a jump of the clock skips ticks right after the jump. */
function fixedRhythm(walls: Rhythm, zone: string): Rhythm {
  return {
    next(at) {
      const repeated = repeatedUntil(zone, at);
      let wall = walls.next(repeated === null ? wallOf(zone, at) : repeated - 1);
      for (; wall !== null; wall = walls.next(wall)) {
        const tick = instantOf(zone, wall);
        if (tick > at) return tick;
      }
      return null;
    },
    previous(at) {
      let wall = walls.previous(repeatedUntil(zone, at) ?? wallOf(zone, at));
      for (; wall !== null; wall = walls.previous(wall)) {
        const tick = instantOf(zone, wall);
        if (tick < at) return tick;
      }
      return null;
    },
  };
}

const DAY_MS = 86_400_000;

/** No change of a clock is larger than a day, so none beyond this matters to a tick. */
const LOOK_MS = 2 * DAY_MS;

/**
 * For hours with `*` or a step: ticks whenever the clock shows such a time, also for the second time. A time that a jump skips
 * ticks when the clock would have shown it without the jump, mostly together with an ordinary tick. So the ticks never pause.
 */
function runningRhythm(walls: Rhythm, zone: string): Rhythm {
  /** When the ticks end that the clock change at `change` skips; not later than `change` where it skips none. */
  const leftOutUntil = (change: number) => change + offsetOf(zone, change) - offsetOf(zone, change - 1);
  return {
    next(at) {
      let start = at + 1;
      let leftOut = Infinity;
      for (;;) {
        const last = changeWithin(zone, start - LOOK_MS, start);
        if (last !== null) {
          const old = offsetOf(zone, last - 1);
          const tick = (walls.next(start + old - 1) ?? Infinity) - old;
          if (tick < leftOutUntil(last)) leftOut = Math.min(leftOut, tick);
        }
        const offset = offsetOf(zone, start);
        const change = changeWithin(zone, start, start + LOOK_MS);
        const tick = (walls.next(start + offset - 1) ?? Infinity) - offset;
        if (tick < (change ?? start + LOOK_MS)) return Math.min(tick, leftOut);
        if (change === null) {
          if (leftOut < Infinity) return leftOut;
          if (tick === Infinity) return null;
        }
        start = change ?? tick - DAY_MS;
      }
    },
    previous(at) {
      let end = at;
      let leftOut = -Infinity;
      for (;;) {
        const change = changeWithin(zone, end - LOOK_MS, end - 1);
        if (change !== null) {
          const old = offsetOf(zone, change - 1);
          const tick = (walls.previous(Math.min(end, leftOutUntil(change)) + old) ?? -Infinity) - old;
          if (tick >= change) leftOut = Math.max(leftOut, tick);
        }
        const offset = offsetOf(zone, end - 1);
        const tick = (walls.previous(end + offset) ?? -Infinity) - offset;
        if (tick >= (change ?? end - DAY_MS)) return Math.max(tick, leftOut);
        if (change === null) {
          if (leftOut > -Infinity) return leftOut;
          if (tick === -Infinity) return null;
        }
        end = change ?? tick + DAY_MS;
      }
    },
  };
}

function newCron(text: string): Cron {
  return new Cron(text, { mode: "5-or-6-parts", timezone: "UTC" });
}
