/** Estimates when a waiting task starts and when a running one ends: from timers, rates, and recent durations. Pure. */

import { quantile, type Histogram } from "./histogram.ts";

/** What an estimate is made from; `timer` and `rate` are exact unless something else holds the task back. */
export const ESTIMATE_SOURCES = ["timer", "rate", "run_times", "wait_times", "progress"] as const;

/** `at` is in ms since the epoch, and never in the past. */
export interface Estimate {
  at: number;
  from: (typeof ESTIMATE_SOURCES)[number];
}

/** By a row's own timer; null where it has none, or one that has passed. */
export function byTimer(at: number | null, now: number): Estimate | null {
  return at !== null && at > now ? { at, from: "timer" } : null;
}

/** The likely end of what began at `begin`: by the median duration, or the 95th percentile once that has passed; then null. */
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

/** A concurrency key whose slots are all taken. */
export interface FullKey {
  limit: number;
  /** When the tasks that hold the slots started. */
  startedAts: readonly number[];
}

/** The start of the task at `position` among a key's waiters, if the tasks before it take as long as such tasks did lately. */
export function bySlots(
  { limit, startedAts }: FullKey,
  position: number,
  run: Histogram,
  now: number,
): Estimate | null {
  const runMs = quantile(run, 0.5);
  if (runMs === null || limit < 1) return null;
  // No estimate beyond the 95th percentile. The first tasks to end free no slot while more run than a lowered limit allows.
  const free = startedAts
    .map((startedAt) => likely(startedAt, run, now) ?? Infinity)
    .toSorted((a, b) => a - b)
    .slice(Math.max(0, startedAts.length - limit));
  const at = (free[(position - 1) % limit] ?? now) + runMs * Math.floor((position - 1) / limit);
  return at > now && at < Infinity ? { at, from: "run_times" } : null;
}

/** When the task at `position` may start under a rate (ITU-T I.371), in ms since the epoch; `now` where it may already. */
export function turnUnder(
  bucket: { tat: number; interval: number; tolerance: number },
  position: number,
  now: number,
): number {
  const turn = Math.max(bucket.tat, now) - bucket.tolerance + bucket.interval * (position - 1);
  return Math.max(now, Math.ceil(turn));
}

/** The latest of the estimates, because all of them hold the task back; null where one of them is unknown. */
export function latest(estimates: readonly (Estimate | null)[]): Estimate | null {
  const known = estimates.filter((each) => each !== null);
  if (known.length < estimates.length) return null;
  return known.toSorted((a, b) => b.at - a.at)[0] ?? null;
}
