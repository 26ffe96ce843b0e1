/** When a schedule ticks: by a cron expression on a zone's wall, or at an interval. Pure; instants are ms since the epoch. */

import { Cron } from "croner";
import { instantOf, repeatedUntil, wallOf } from "./zone.ts";

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

/** Nothing but fields of numbers and names: croner's `?` would mean the moment of reading. */
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
  const endless = cron === null ? interval(everyMs!, anchor) : wallCron(cron, timezone);
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
 * Every wall time that the expression names ticks once: croner finds the wall times, as if in UTC,
 * and the zone says when they are shown. Croner's own rule for days on which the clock is changed
 * depends on how the expression is written.
 */
function wallCron(text: string, zone: string): Rhythm {
  const cron = newCron(text);
  return {
    next(at) {
      const repeated = repeatedUntil(zone, at);
      let wall = repeated === null ? wallOf(zone, at) : repeated - 1;
      for (;;) {
        const found = cron.nextRun(new Date(wall));
        if (found === null) return null;
        const tick = instantOf(zone, found.getTime());
        if (tick > at) return tick;
        wall = found.getTime();
      }
    },
    previous(at) {
      let wall = repeatedUntil(zone, at) ?? wallOf(zone, at);
      for (;;) {
        const [found] = cron.previousRuns(1, new Date(wall));
        if (found === undefined) return null;
        const tick = instantOf(zone, found.getTime());
        if (tick < at) return tick;
        wall = found.getTime();
      }
    },
  };
}

function newCron(text: string): Cron {
  return new Cron(text, { mode: "5-or-6-parts", timezone: "UTC" });
}
