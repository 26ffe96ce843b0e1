/**
 * Counts ends and attempts in this isolate's memory, and writes the sums every few seconds, a row for each tenant and
 * minute; the clock folds them into hours and totals. So figures cost almost no rows of their own. A kill loses the counts of
 * the last seconds.
 */

import { log } from "../../core/log.ts";
import { countAttempt, countEnd, type Counts, type Kind } from "../../core/counts.ts";
import { countError, countWait } from "../../core/series.ts";
import type { Outcome } from "../../core/settle.ts";
import { isTerminal } from "../../core/states.ts";
import { WEBHOOK_TASK } from "../../core/webhook.ts";
import type { Change } from "../../results/changes.ts";
import { noteFailure, takeFailures } from "./failures.ts";
import { note, takeUntold } from "../quota.ts";
import { addRollups, beginningOf, SPANS, UNFOLDED_SPAN } from "../../results/rollups.ts";

/**
 * The first count after a pause is written after `SOON_MS`, the next ones at most every `EVERY_MS`: a consumer's invocation, which
 * is cut off 30 s after its handler returned, has time for both.
 */
const EVERY_MS = 15_000;
const SOON_MS = 1_000;

/** By tenant, and by the beginning of the minute. */
let counted = new Map<string, Map<number, Seen>>();

interface Seen {
  counts: Counts;
  /** Empty where nothing went wrong and nothing waited. */
  causes: Counts;
}
let since: number | null = null;
let writtenAt = 0;

/** Outcomes whose attempts are measured: one that was cut off, snoozed or suspended does not tell how long the work takes. */
const MEASURED: readonly Outcome[] = ["succeeded", "failed", "timeout", "cancelled"];

/**
 * Counts the attempts that have ended with these changes, and the tasks. A task without an attempt has ended at `at`.
 * Answers whether there was one: then no attempt's event will write the counts, so the caller must.
 */
export function observe(changes: readonly Change[], at: number): boolean {
  let isUnwritten = false;
  for (const change of changes) {
    const { tenant, task, lane, state, outcome, runAt, startedAt, finishedAt } = change;
    if (tenant === undefined || task === undefined) continue;
    const isAttempt = outcome !== undefined && typeof finishedAt === "number";
    // Deliveries do not count as tasks of their tenant: endpoints have lists of them.
    if (isAttempt && task === WEBHOOK_TASK) continue;
    if (!isAttempt && !isTerminal(state)) continue;
    const { counts, causes } = seenIn(tenant, isAttempt ? finishedAt : at);
    if (isAttempt) countCauses(causes, { task, lane }, change);
    if (isAttempt && MEASURED.includes(outcome)) {
      const began = startedAt ?? finishedAt;
      countAttempt(counts, { task, lane }, began - (runAt ?? began), finishedAt - began);
    }
    if (isTerminal(state)) {
      countEnd(counts, { task, lane }, state);
      note(tenant, { tasks: -1 });
      if (state === "failed") noteFailure(tenant, task, change, isAttempt ? finishedAt : at);
    }
    isUnwritten ||= !isAttempt;
  }
  return isUnwritten;
}

/** Shorter waits have no cause worth telling: a message is on its way. */
const WAITED_MS = 1_000;

/** What went wrong in the attempt that has ended, what it had waited for, and what its task waits for now. */
function countCauses(causes: Counts, kind: Kind, change: Change): void {
  const { outcome, runAt, startedAt, errorType, limitedBy, waitsFor } = change;
  if (errorType) countError(causes, kind, errorType);
  if (outcome !== undefined && MEASURED.includes(outcome) && (startedAt ?? 0) - (runAt ?? Infinity) >= WAITED_MS) {
    countWait(causes, kind, limitedBy ?? "lane");
  }
  if (waitsFor) countWait(causes, kind, waitsFor);
}

function seenIn(tenant: string, at: number): Seen {
  since ??= Date.now();
  const minutes = getOrInsert(counted, tenant, () => new Map<number, Seen>());
  return getOrInsert(minutes, beginningOf(SPANS.minute, at), () => ({ counts: {}, causes: {} }));
}

function getOrInsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** In how many ms the counts are to be written; null where there are none. */
export function untilWritten(now: number): number | null {
  return since === null ? null : Math.max(0, Math.max(since + SOON_MS, writtenAt + EVERY_MS) - now);
}

/** Writes the counts since the last write. Never throws. */
export async function writeCounts(env: Env): Promise<void> {
  if (since === null) return;
  const rollups = [...counted].flatMap(([tenant, minutes]) =>
    [...minutes].map(([at, { counts, causes }]) => {
      const rollup = { tenant, span: UNFOLDED_SPAN, at, counts };
      return Object.keys(causes).length === 0 ? rollup : { ...rollup, causes };
    }),
  );
  counted = new Map();
  since = null;
  writtenAt = Date.now();
  try {
    await addRollups(env.DB, rollups, takeUntold(), takeFailures());
  } catch (error) {
    log("counts_not_written", { rollups: rollups.length, error });
  }
}
