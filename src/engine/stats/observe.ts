/**
 * Counts ends and attempts in this isolate's memory, and writes the sums down now and then, a row for each tenant and
 * minute; the clock folds them into hours and totals. So figures cost next to no rows of their own. What a kill takes with
 * it is the last seconds' counts.
 */

import { countAttempt, countEnd, type Counts } from "../../core/counts.ts";
import type { Outcome } from "../../core/settle.ts";
import { isTerminal, type State } from "../../core/states.ts";
import { WEBHOOK_TASK } from "../../core/webhook.ts";
import type { Committed } from "../../results/commit-attempts.ts";
import { note, takeUntold } from "../quota.ts";
import { addRollups, beginningOf, SPANS, UNFOLDED_SPAN } from "../../results/rollups.ts";

/**
 * The first count after a rest is written soon, and the next ones not before this: a consumer's invocation, which is cut
 * off 30 s after its handler returned, has time for both.
 */
const EVERY_MS = 15_000;
const SOON_MS = 1_000;

/** By tenant, and by the beginning of the minute. */
let counted = new Map<string, Map<number, Counts>>();
let since: number | null = null;
let writtenAt = 0;

/** Attempts that were cut off or gave up their place say nothing about how long the work takes. */
const MEASURED: readonly Outcome[] = ["succeeded", "failed", "timeout", "cancelled"];

/** A task that has ended without an attempt of its own. */
export interface Ended {
  tenant: string;
  task: string;
  lane: string;
  state: State;
}

/** Counts attempts that have ended, and the tasks that have ended with them. */
export function observeAttempts(held: readonly Committed[]): void {
  for (const task of held) {
    // Deliveries are nobody's tasks: whoever waits for them has a list of their own.
    if (task.task === WEBHOOK_TASK) continue;
    const { runAt, startedAt, finishedAt, outcome } = task;
    const counts = countsOf(task.tenant, finishedAt);
    if (MEASURED.includes(outcome)) countAttempt(counts, task, startedAt - runAt, finishedAt - startedAt);
    if (!isTerminal(task.state)) continue;
    countEnd(counts, task, task.state);
    note(task.tenant, { tasks: -1 });
  }
}

/** Counts tasks that have ended at `at` while nobody worked on them. */
export function observeEnds(ended: readonly Ended[], at: number): void {
  for (const task of ended) {
    if (!isTerminal(task.state)) continue;
    countEnd(countsOf(task.tenant, at), task, task.state);
    note(task.tenant, { tasks: -1 });
  }
}

function countsOf(tenant: string, at: number): Counts {
  since ??= Date.now();
  const minutes = getOrInsert(counted, tenant, () => new Map<number, Counts>());
  return getOrInsert(minutes, beginningOf(SPANS.minute, at), () => ({}));
}

function getOrInsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** In how many ms what was counted is to be written; null where nothing was. */
export function untilWritten(now: number): number | null {
  return since === null ? null : Math.max(0, Math.max(since + SOON_MS, writtenAt + EVERY_MS) - now);
}

/** Writes down what was counted since the last time. Never throws. */
export async function writeCounts(env: Env): Promise<void> {
  if (since === null) return;
  const rollups = [...counted].flatMap(([tenant, minutes]) =>
    [...minutes].map(([at, counts]) => ({ tenant, span: UNFOLDED_SPAN, at, counts })),
  );
  counted = new Map();
  since = null;
  writtenAt = Date.now();
  try {
    await addRollups(env.DB, rollups, takeUntold());
  } catch (error) {
    console.warn(JSON.stringify({ event: "counts_not_written", rollups: rollups.length, error: String(error) }));
  }
}
