/**
 * Quotas of tenants. Those on tasks, bytes and signals are roughly kept, because exact counting would cost every task a write:
 * the clock counts what is there (`results/census.ts`), and an isolate adds what it has let in since to the tenant's row once
 * that is a hundredth of a quota, at most every few seconds. So each isolate may pass a quota by a hundredth of it, or by what
 * the others let in within 5 s.
 */

import { log } from "../core/log.ts";
import { clockOf } from "../broker/poke.ts";
import { ProblemError, problem, type ProblemMembers } from "../core/problems.ts";
import {
  DEFAULT_QUOTAS,
  FREE_QUOTAS,
  quotasOf,
  USED_NAMES,
  type QuotaName,
  type Quotas,
  type Use,
} from "../core/quotas.ts";
import { countOwned } from "../results/count-owned.ts";
import { addUse, NOTHING, readUse, type TenantUse } from "../results/usage.ts";
import { within } from "../results/within.ts";

/** Before an isolate refuses anything, it reads the tenant's row again where its copy is older than this. */
const KNOWN_FOR_MS = 5_000;

/** `Retry-After` in seconds. By then the clock has counted tasks, bytes and signals again; schedules and keys are removed by hand. */
const AGAIN_SECONDS = { counted: 15, owned: 60 } as const;

/** An isolate lets in this part of a quota, a hundredth, before it adds it to the tenant's row. */
const UNTOLD_PART = 100;

/** A request waits this long for the tenant's row, and then goes by what is known. */
const PATIENCE_MS = 3_000;

/** Tenants that one isolate remembers at most. */
const MAX_TENANTS = 1_000;

interface Known {
  /** What the tenant's row said. */
  used: Use;
  /** Let in by this isolate since, less what has ended in it: not yet added to the row. */
  untold: Use;
  /** Until when the row is not read again, in ms since the epoch; 0: it was never read. */
  until: number;
}

const known = new Map<string, Known>();

/** A tenant's quotas. `MAX_LIVE_TASKS` is the one on tasks where `QUOTAS` does not say. */
export function quotasFor(env: Env, tenant: string): Quotas {
  const own = env.PLAN === "free" ? FREE_QUOTAS : DEFAULT_QUOTAS;
  const tasks = Number(env.MAX_LIVE_TASKS);
  return quotasOf(env.QUOTAS, tenant, tasks > 0 ? { ...own, tasks } : own);
}

/** What these tasks add; characters stand for bytes. */
export function useOf(tasks: readonly { input: string | null }[]): Use {
  return { ...NOTHING, tasks: tasks.length, bytes: tasks.reduce((sum, { input }) => sum + (input?.length ?? 0), 0) };
}

/** Counts `more` in the tenant's use, or throws 429 where that would pass a quota. */
export async function admit(env: Env, tenant: string, more: Partial<Use>, now: number): Promise<void> {
  const added = { ...NOTHING, ...more };
  const quotas = quotasFor(env, tenant);
  const reached = await lookFor(env, tenant, quotas, added, now);
  if (reached !== null) throw refusalOf(reached, quotas[reached], usedOf(tenant)[reached]);
  note(tenant, added);
}

/** The same for `work` that makes it; gives back what it did not make, see {@link keepOnly}. */
export async function admitTo<T>(
  env: Env,
  tenant: string,
  more: Partial<Use>,
  now: number,
  work: () => Promise<T>,
  made: (answer: T) => Partial<Use>,
): Promise<T> {
  await admit(env, tenant, more, now);
  return keepOnly(tenant, more, work, made);
}

/** Does the work for which this much of a tenant was let in, and gives back what `made` does not find in its answer: all where it fails. */
export async function keepOnly<T>(
  tenant: string,
  admitted: Partial<Use>,
  work: () => Promise<T>,
  made: (answer: T) => Partial<Use>,
): Promise<T> {
  let kept: Partial<Use> = {};
  try {
    const answer = await work();
    kept = made(answer);
    return answer;
  } finally {
    for (const name of USED_NAMES) note(tenant, { [name]: (kept[name] ?? 0) - (admitted[name] ?? 0) });
  }
}

/** Lets as many of these in, in their order, as there is room for, about; answers how many, and why no more. */
export async function admitFirst(
  env: Env,
  tenant: string,
  each: readonly Use[],
  now: number,
): Promise<{ admitted: number; refusal: ProblemError | null }> {
  const quotas = quotasFor(env, tenant);
  const reached = await lookFor(env, tenant, quotas, each.reduce(sumOf, NOTHING), now);
  let added = NOTHING;
  let admitted = 0;
  for (; admitted < each.length; admitted++) {
    const more = sumOf(added, each[admitted]!);
    if (reached !== null && reachedBy(tenant, quotas, more) !== null) break;
    added = more;
  }
  const refusal = reached === null ? null : refusalOf(reached, quotas[reached], usedOf(tenant)[reached]);
  note(tenant, added);
  return { admitted, refusal };
}

/** Does a part of a larger piece of work. Where a quota refuses it, the refusal has the counts of what was done before. */
export async function withCounts<T>(counts: () => ProblemMembers, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isOverQuota(error)) throw error;
    const { problem: given, headers } = error;
    throw new ProblemError({ ...given, more: { ...given.more, ...counts() } }, headers);
  }
}

export function isOverQuota(error: unknown): error is ProblemError {
  return error instanceof ProblemError && error.problem.name === "quota-exceeded";
}

/** Adds what was made, or what is gone (negative), to the tenant's use. Refuses nothing. */
export function note(tenant: string, change: Partial<Use>): void {
  const own = remembered(tenant);
  own.untold = sumOf(own.untold, { ...NOTHING, ...change });
}

/** Takes what this isolate has not added to the tenants' rows yet; the caller adds it. */
export function takeUntold(): TenantUse[] {
  const changes: TenantUse[] = [];
  for (const [tenant, own] of known) {
    if (USED_NAMES.every((name) => own.untold[name] === 0)) continue;
    changes.push({ tenant, ...own.untold });
    tell(own);
  }
  return changes;
}

/** Throws 429 where the tenant has as many as its quota allows. Concurrent requests may pass the quota. */
export async function demandRoomFor(env: Env, what: "schedules" | "keys", tenant: string, now: number): Promise<void> {
  const max = quotasFor(env, tenant)[what];
  const used = await countOwned(env.DB, what, tenant, max, now);
  if (used >= max) throw refusalOf(what, max, used);
}

/**
 * How much of each quota a tenant uses, as far as is known here, and when the clock last counted (ms since the epoch; null:
 * it has not).
 */
export async function describeQuotas(
  env: Env,
  tenant: string,
  now: number,
): Promise<{ quotas: Record<QuotaName, { used: number; limit: number }>; countedAt: number | null }> {
  const limits = quotasFor(env, tenant);
  const [{ used, countedAt }, schedules, keys] = await Promise.all([
    readUse(env.DB, tenant),
    countOwned(env.DB, "schedules", tenant, limits.schedules, now),
    countOwned(env.DB, "keys", tenant, limits.keys, now),
  ]);
  const own = known.get(tenant);
  if (own) own.used = used;
  const all: Record<QuotaName, number> = { ...usedOf(tenant, used), schedules, keys };
  const entries = (Object.keys(limits) as QuotaName[]).map((name) => [name, { used: all[name], limit: limits[name] }]);
  return {
    quotas: Object.fromEntries(entries) as Record<QuotaName, { used: number; limit: number }>,
    countedAt,
  };
}

const NOUNS: Record<QuotaName, string> = {
  tasks: "tasks that have not ended",
  bytes: "bytes that are stored",
  signals: "signals that are kept",
  schedules: "schedules",
  keys: "keys that are valid",
};

function refusalOf(quota: QuotaName, limit: number, used: number): ProblemError {
  const detail = `The quota \`${quota}\` of this tenant is ${limit} ${NOUNS[quota]}; ${used} are there.`;
  const seconds = quota === "schedules" || quota === "keys" ? AGAIN_SECONDS.owned : AGAIN_SECONDS.counted;
  return new ProblemError(
    { ...problem("quota-exceeded", detail), more: { quota, used, limit } },
    { "Retry-After": String(seconds) },
  );
}

/** The quota that `more` would pass, as far as this isolate knows; null: none. */
function reachedBy(tenant: string, quotas: Quotas, more: Use): keyof Use | null {
  const used = usedOf(tenant);
  return USED_NAMES.find((name) => more[name] > 0 && used[name] + more[name] > quotas[name]) ?? null;
}

/** The same, with the tenant's row read again where this isolate has let in much or knows of no room; null where there is room. */
async function lookFor(env: Env, tenant: string, quotas: Quotas, more: Use, now: number) {
  const own = remembered(tenant);
  const isWanted = (name: keyof Use) => more[name] > 0;
  const reached = () => reachedBy(tenant, quotas, more);
  const isMuch = USED_NAMES.some(
    (name) => isWanted(name) && own.untold[name] + more[name] > quotas[name] / UNTOLD_PART,
  );
  if ((isMuch || reached() !== null) && own.until <= now) {
    await ask(env, tenant, own, now);
    // An isolate that died has not reported what had ended in it; counting finds that.
    if (reached() !== null)
      await clockOf(env)
        .recount()
        .catch(() => undefined);
  }
  return reached();
}

/**
 * Adds what was let in to the tenant's row, and reads what other isolates have added. Throws nothing where D1 does not answer:
 * the quota is then judged by what is known.
 */
async function ask(env: Env, tenant: string, own: Known, now: number): Promise<void> {
  // Concurrent requests do not read the row as well: they use what is known.
  own.until = now + KNOWN_FOR_MS;
  const change = { tenant, ...own.untold };
  tell(own);
  try {
    const answer = await within(addUse(env.DB, change), PATIENCE_MS);
    if (answer !== "late") own.used = { tasks: answer.tasks, bytes: answer.bytes, signals: answer.signals };
  } catch (error) {
    log("usage_not_read", { tenant, error });
  }
}

function tell(own: Known): void {
  own.used = sumOf(own.used, own.untold);
  own.untold = NOTHING;
}

function usedOf(tenant: string, used = known.get(tenant)?.used ?? NOTHING): Use {
  const { tasks, bytes, signals } = sumOf(used, known.get(tenant)?.untold ?? NOTHING);
  return { tasks: Math.max(0, tasks), bytes: Math.max(0, bytes), signals: Math.max(0, signals) };
}

function sumOf(one: Use, other: Use): Use {
  return {
    tasks: one.tasks + other.tasks,
    bytes: one.bytes + other.bytes,
    signals: one.signals + other.signals,
  };
}

function remembered(tenant: string): Known {
  const own = known.get(tenant) ?? { used: NOTHING, untold: NOTHING, until: 0 };
  known.delete(tenant);
  known.set(tenant, own);
  if (known.size > MAX_TENANTS) known.delete(known.keys().next().value!);
  return own;
}
