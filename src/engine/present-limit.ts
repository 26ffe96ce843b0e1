/** A limit as the API shows it. */

import type { LimitResource } from "../contract/limit.ts";
import type { TaskDefinition } from "../core/define-task.ts";
import { limitId, limitName, type LimitName } from "../core/limit-name.ts";
import { rateOf, tokensAt } from "../core/share.ts";
import type { BucketRow, PlacesRow } from "../results/limits.ts";

/** Starts in `per` ms, of which `burst` may come at once. */
export interface RateWords {
  limit: number;
  per: number;
  burst: number;
}

/** Null where there is neither a row nor a definition to tell of. */
export function presentPlaces(row: PlacesRow, definition: TaskDefinition | undefined): LimitResource | null {
  const name = limitName("concurrency", row.key);
  const limit = row.max ?? declaredPlaces(name, definition);
  if (limit === null) return null;
  const { override, used, waiting } = row;
  return {
    ...common(name, override === null),
    limit,
    per: null,
    burst: null,
    used,
    tokens: null,
    waiting,
    heldUntil: null,
  };
}

/** The same for a rate at `now`. */
export function presentBucket(
  row: BucketRow,
  definition: TaskDefinition | undefined,
  now: number,
): LimitResource | null {
  const name = limitName("rate", row.key);
  const words = wordsOf(row, name, definition);
  if (words === null) return null;
  const { heldUntil, waiting } = row;
  return {
    ...common(name, row.override === null),
    ...words,
    used: null,
    tokens: tokensAt(rateOf(row.key, words.limit, words.per, words.burst), row.tat ?? 0, now),
    waiting,
    heldUntil: heldUntil !== null && heldUntil > now ? new Date(heldUntil).toISOString() : null,
  };
}

/** The definition's rate in its own words; null where it has none. */
export function declaredRate({ key }: LimitName, definition: TaskDefinition | undefined): RateWords | null {
  const rate = definition?.rateLimit;
  if (!rate || (key !== null && rate.key === undefined)) return null;
  return { limit: rate.limit, per: rate.perMs, burst: rate.burst };
}

/** How many places the definition gives a key; null where it has no such limit. */
export function declaredPlaces({ key }: LimitName, definition: TaskDefinition | undefined): number | null {
  const own = definition?.concurrency.filter((each) => (each.key === undefined) === (key === null)) ?? [];
  return own.length === 0 ? null : Math.min(...own.map((each) => each.limit));
}

function common(name: LimitName, isAsked: boolean): Pick<LimitResource, "id" | "kind" | "task" | "key" | "source"> {
  const asked = name.task === null ? "submission" : "code";
  return { id: limitId(name), ...name, source: isAsked ? asked : "api" };
}

function wordsOf(row: BucketRow, name: LimitName, definition: TaskDefinition | undefined): RateWords | null {
  if (row.override !== null) return JSON.parse(row.override) as RateWords;
  const declared = declaredRate(name, definition);
  if (row.interval === null || row.tolerance === null) return declared;
  // D1 may read a fraction from JSON as its neighbour.
  if (declared !== null && Math.abs(declared.per / declared.limit - row.interval) < 1e-6) {
    return { ...declared, burst: burstOf(row.interval, row.tolerance) };
  }
  // What another version of the code has said, whose words are not known.
  return { limit: 1, per: row.interval, burst: burstOf(row.interval, row.tolerance) };
}

function burstOf(interval: number, tolerance: number): number {
  return Math.round(tolerance / interval) + 1;
}
