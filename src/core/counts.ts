/**
 * Statistics of ends and attempts as flat counters by name, so that all of them are added up in the
 * same way, in SQL too. Pure.
 */

import { bucketOf, type Histogram } from "./histogram.ts";
import { TERMINAL_STATES, type TerminalState } from "./states.ts";

/** By `<task> <lane> <what>`; neither the name of a task nor that of a lane holds a space. */
export type Counts = Record<string, number>;

/** A task's name on a lane. */
export interface Kind {
  task: string;
  lane: string;
}

export function countEnd(counts: Counts, { task, lane }: Kind, state: TerminalState): void {
  add(counts, `${task} ${lane} ${state}`, 1);
}

/** `waitMs`: from when the attempt could have started until it did. */
export function countAttempt(counts: Counts, { task, lane }: Kind, waitMs: number, runMs: number): void {
  for (const [what, ms] of [
    ["wait", Math.max(0, waitMs)],
    ["run", Math.max(0, runMs)],
  ] as const) {
    add(counts, `${task} ${lane} ${what}:${bucketOf(ms)}`, 1);
    add(counts, `${task} ${lane} ${what}:sum`, ms);
  }
}

function add(counts: Counts, name: string, more: number): void {
  counts[name] = (counts[name] ?? 0) + more;
}

/** The sums of these counters, by name. */
export function sumOf(all: readonly Counts[]): Counts {
  const sum: Counts = {};
  for (const counts of all) for (const [name, count] of Object.entries(counts)) add(sum, name, count);
  return sum;
}

/** The ends, waits and run times of a kind of task. */
export interface Performance {
  ended: Record<TerminalState, number>;
  wait: Histogram;
  run: Histogram;
}

/** Adds up the counters of the kinds to which `select` gives the same name. */
export function performances(counts: Counts, select: (kind: Kind) => string): Map<string, Performance> {
  const groups = new Map<string, MutablePerformance>();
  for (const [name, count] of Object.entries(counts)) {
    const [task = "", lane = "", what = ""] = name.split(" ");
    const group = select({ task, lane });
    if (!groups.has(group)) groups.set(group, newPerformance());
    include(groups.get(group)!, what, count);
  }
  return groups;
}

interface MutableHistogram {
  buckets: Map<number, number>;
  sumMs: number;
}

interface MutablePerformance {
  ended: Record<TerminalState, number>;
  wait: MutableHistogram;
  run: MutableHistogram;
}

/** The performance of a kind that has no counts yet. */
export function newPerformance(): MutablePerformance {
  const ended = Object.fromEntries(TERMINAL_STATES.map((state) => [state, 0])) as Record<TerminalState, number>;
  return { ended, wait: { buckets: new Map(), sumMs: 0 }, run: { buckets: new Map(), sumMs: 0 } };
}

function include(performance: MutablePerformance, what: string, count: number): void {
  const [measure, bucket] = what.split(":") as ["wait" | "run" | TerminalState, string?];
  if (measure !== "wait" && measure !== "run") performance.ended[measure] += count;
  else if (bucket === "sum") performance[measure].sumMs += count;
  else {
    const { buckets } = performance[measure];
    buckets.set(Number(bucket), (buckets.get(Number(bucket)) ?? 0) + count);
  }
}
