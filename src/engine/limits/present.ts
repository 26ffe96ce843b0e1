/** A limit as the API shows it. */

import type { LimitResource } from "../../contract/limit.ts";
import type { Per } from "../../core/concurrency.ts";
import type { TaskDefinition } from "../../core/task.ts";
import { limitId, limitName, type AskedName, type LimitName } from "../../core/limit-name.ts";
import { rateOf, tokensAt } from "../../core/share.ts";
import type { BucketRow, SlotsRow } from "../../results/limits/limits.ts";

/** `limit` starts in `per` ms, of which `burst` may come at once. */
export interface RateWords {
  limit: number;
  per: number;
  burst: number;
}

/** Null where neither the row nor the definition has a limit. */
export function presentSlots(
  row: SlotsRow,
  definition: TaskDefinition | undefined,
  tenant: string,
): LimitResource | null {
  const name = limitName("concurrency", row.key);
  const limit = row.max ?? declaredSlots(name, definition);
  if (limit === null) return null;
  const { override, used, waiting } = row;
  return {
    ...common(name, override === null, definition, tenant),
    limit,
    per: null,
    burst: null,
    used,
    tokens: null,
    waiting,
    heldBy: JSON.parse(row.heldBy) as string[],
    waiters: JSON.parse(row.waiters) as string[],
    heldUntil: null,
  };
}

/** The same for a rate at `now`. */
export function presentBucket(
  row: BucketRow,
  definition: TaskDefinition | undefined,
  tenant: string,
  now: number,
): LimitResource | null {
  const name = limitName("rate", row.key);
  const words = wordsOf(row, name, definition);
  if (words === null) return null;
  const { heldUntil, waiting } = row;
  return {
    ...common(name, row.override === null, definition, tenant),
    ...words,
    used: null,
    tokens: tokensAt(rateOf(row.key, words.limit, words.per, words.burst), row.tat ?? 0, now),
    waiting,
    heldBy: [],
    waiters: JSON.parse(row.waiters) as string[],
    heldUntil: heldUntil !== null && heldUntil > now ? new Date(heldUntil).toISOString() : null,
  };
}

/** The rate as the definition gives it; null where it has none. */
export function declaredRate(name: LimitName, definition: TaskDefinition | undefined): RateWords | null {
  const rate = definition?.rateLimit;
  if (!rate || (name.key !== null && rate.key === undefined) || !counts(rate.scope, name)) return null;
  return { limit: rate.limit, per: rate.perMs, burst: rate.burst };
}

/** How many slots the definition gives a key; null where it has no such limit. */
export function declaredSlots(name: LimitName, definition: TaskDefinition | undefined): number | null {
  const own =
    definition?.concurrency.filter(
      (each) => (each.key === undefined) === (name.key === null) && counts(each.per, name),
    ) ?? [];
  return own.length === 0 ? null : Math.min(...own.map((each) => each.limit));
}

/** Whether a definition's limit and this name agree: both are of a tenant, or neither is. */
function counts(per: Per, { tenant }: LimitName): boolean {
  return (per === "tenant") === (tenant !== null);
}

/** The name with its tenant: where none is given, the reader if the definition has such a limit per tenant, else none (the deployment). */
export function wholeName(asked: AskedName, definition: TaskDefinition | undefined, tenant: string): LimitName {
  if (asked.task === null) return { ...asked, tenant };
  if (asked.tenant !== undefined) return { ...asked, tenant: asked.tenant };
  const isOwn =
    asked.kind === "rate"
      ? definition?.rateLimit?.scope === "tenant"
      : pers(definition, asked.key).some((per) => per === "tenant");
  return { ...asked, tenant: isOwn ? tenant : null };
}

/** A limit whose key is known only when the task starts counts the whole task until then. */
function pers(definition: TaskDefinition | undefined, key: string | null): Per[] {
  const all = definition?.concurrency ?? [];
  const own = all.filter((each) => (each.key === undefined) === (key === null));
  return (own.length > 0 ? own : all).map((each) => each.per);
}

/** The shortest id under which this reader finds it again. */
function idOf(name: LimitName, definition: TaskDefinition | undefined, tenant: string): string {
  const short = { ...name, tenant: undefined };
  return limitId(wholeName(short, definition, tenant).tenant === name.tenant ? short : name);
}

function common(
  name: LimitName,
  isAsked: boolean,
  definition: TaskDefinition | undefined,
  tenant: string,
): Pick<LimitResource, "id" | "kind" | "task" | "tenant" | "key" | "source" | "changedBy" | "changedAt"> {
  const asked = name.task === null ? "submission" : "code";
  const id = idOf(name, definition, tenant);
  return { id, ...name, source: isAsked ? asked : "api", changedBy: null, changedAt: null };
}

function wordsOf(row: BucketRow, name: LimitName, definition: TaskDefinition | undefined): RateWords | null {
  if (row.override !== null) return JSON.parse(row.override) as RateWords;
  const declared = declaredRate(name, definition);
  if (row.interval === null || row.tolerance === null) return declared;
  // D1 may read a fraction from JSON with a rounding error.
  if (declared !== null && Math.abs(declared.per / declared.limit - row.interval) < 1e-6) {
    return { ...declared, burst: burstOf(row.interval, row.tolerance) };
  }
  // The rate of another version of the code, whose `limit` and `per` are not known.
  return { limit: 1, per: row.interval, burst: burstOf(row.interval, row.tolerance) };
}

function burstOf(interval: number, tolerance: number): number {
  return Math.round(tolerance / interval) + 1;
}
