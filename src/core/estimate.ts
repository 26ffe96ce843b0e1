/** When what waits is likely to start, and what runs to end: from timers, rates, and how long such work took lately. Pure. */

import { quantile, type Histogram } from "./histogram.ts";

/** What an estimate is made from; `timer` and `rate` are exact as long as nothing else gets in the way. */
export const ESTIMATE_SOURCES = ["timer", "rate", "run_times", "wait_times", "progress"] as const;

/** `at` is in ms since the epoch, and never in the past. */
export interface Estimate {
  at: number;
  from: (typeof ESTIMATE_SOURCES)[number];
}

/** A row's own timer; null where it names none, or one that is over. */
export function byTimer(at: number | null, now: number): Estimate | null {
  return at !== null && at > now ? { at, from: "timer" } : null;
}

/** What began at `begin` takes as long as such things do: half of them, or where that is over already, most. */
function likely(begin: number, durations: Histogram, now: number): number | null {
  for (const q of [0.5, 0.95]) {
    const ms = quantile(durations, q);
    if (ms !== null && begin + ms > now) return begin + ms;
  }
  return null;
}

/** The end of a run that began at `startedAt`. */
export function byRunTimes(startedAt: number, run: Histogram, now: number): Estimate | null {
  const at = likely(startedAt, run, now);
  return at === null ? null : { at, from: "run_times" };
}

/** The start of a task that could have started at `runAt`. */
export function byWaitTimes(runAt: number, wait: Histogram, now: number): Estimate | null {
  const at = likely(runAt, wait, now);
  return at === null ? null : { at, from: "wait_times" };
}

/** The end of a run that had done `percent` of its work at `at`, if the rest goes as fast. */
export function byProgress(startedAt: number, percent: number | null, at: number, now: number): Estimate | null {
  if (percent === null || percent <= 0 || at <= startedAt) return null;
  const end = Math.round(startedAt + ((at - startedAt) * 100) / percent);
  return end > now ? { at: end, from: "progress" } : null;
}

/** A concurrency key whose places are all taken. */
export interface FullKey {
  limit: number;
  /** When the tasks that have the places started. */
  startedAts: readonly number[];
}

/** The start of the one at `position` in a key's line, if those before it take as long as such tasks did lately. */
export function byPlaces(
  { limit, startedAts }: FullKey,
  position: number,
  run: Histogram,
  now: number,
): Estimate | null {
  const runMs = quantile(run, 0.5);
  if (runMs === null || limit < 1) return null;
  // Nobody can say when one ends that has run for longer than nearly all did. Those over a lowered limit free no place.
  const free = startedAts
    .map((startedAt) => likely(startedAt, run, now) ?? Infinity)
    .toSorted((a, b) => a - b)
    .slice(Math.max(0, startedAts.length - limit));
  const at = (free[(position - 1) % limit] ?? now) + runMs * Math.floor((position - 1) / limit);
  return at > now && at < Infinity ? { at, from: "run_times" } : null;
}

/** When the one at `position` may start under a rate (ITU-T I.371), in ms since the epoch; `now` where it may already. */
export function turnUnder(
  bucket: { tat: number; interval: number; tolerance: number },
  position: number,
  now: number,
): number {
  const turn = Math.max(bucket.tat, now) - bucket.tolerance + bucket.interval * (position - 1);
  return Math.max(now, Math.ceil(turn));
}

/** Of all that holds a task back, what does so longest; null where that is not known of one of them. */
export function latest(estimates: readonly (Estimate | null)[]): Estimate | null {
  const known = estimates.filter((each) => each !== null);
  if (known.length < estimates.length) return null;
  return known.toSorted((a, b) => b.at - a.at)[0] ?? null;
}
