/**
 * Quotas of tenants. That on tasks that have not ended is roughly kept, because exact counting would cost every task a write: an
 * isolate asks for the count once it has let in a hundredth of the quota itself, at most every few seconds, and adds what it
 * lets in meanwhile. So each isolate may pass a quota by a hundredth of it, or by what the others let in within 5 s.
 */

import { budgetOf } from "../core/plan.ts";
import { ProblemError, problem } from "../core/problems.ts";
import { DEFAULT_QUOTAS, FREE_QUOTAS, quotasOf, type QuotaName, type Quotas } from "../core/quotas.ts";
import { countLive } from "../results/count-live.ts";
import { countOwned } from "../results/count-owned.ts";

const COUNTED_FOR_MS = 5_000;

/** Schedules and keys go by hand, so it is hardly worth asking sooner. */
const OWNED_FOR_MS = 60_000;

/** What an isolate lets in without having counted, as a part of the quota. */
const UNCOUNTED_PART = 100;

/** Tenants whose counts are remembered. */
const MAX_TENANTS = 1_000;

interface Counted {
  live: number;
  /** Let in since it was counted. */
  added: number;
  until: number;
}

const counts = new Map<string, Counted>();

/** A tenant's quotas. `MAX_LIVE_TASKS` is the one on tasks where `QUOTAS` does not say. */
export function quotasFor(env: Env, tenant: string): Quotas {
  const own = budgetOf(env).statements < DEFAULT_QUOTAS.tasks / 1_000 ? FREE_QUOTAS : DEFAULT_QUOTAS;
  const tasks = Number(env.MAX_LIVE_TASKS);
  return quotasOf(env.QUOTAS, tenant, tasks > 0 ? { ...own, tasks } : own);
}

/** Lets `more` tasks of a tenant in, or throws 429. */
export async function admit(env: Env, tenant: string, more: number, now: number): Promise<void> {
  if (more === 0) return;
  const { tasks: max } = quotasFor(env, tenant);
  const counted = await count(env, tenant, max, more, now);
  if (counted.live + counted.added + more > max) refuse("tasks", max, Math.min(max, counted.live + counted.added));
  counted.added += more;
}

/** Throws 429 where the tenant has as many as it may. Those that are made at the same moment may pass it. */
export async function demandRoomFor(
  env: Env,
  what: Exclude<QuotaName, "tasks">,
  tenant: string,
  now: number,
): Promise<void> {
  const max = quotasFor(env, tenant)[what];
  const used = await countOwned(env.DB, what, tenant, max, now);
  if (used >= max) refuse(what, max, used);
}

const NOUNS: Record<QuotaName, string> = {
  tasks: "tasks that have not ended",
  schedules: "schedules",
  keys: "keys that are valid",
};

function refuse(what: QuotaName, max: number, used: number): never {
  const detail = `The quota \`${what}\` of this tenant is ${max} ${NOUNS[what]}; ${used} are there.`;
  const seconds = (what === "tasks" ? COUNTED_FOR_MS : OWNED_FOR_MS) / 1_000;
  throw new ProblemError(problem("quota-exceeded", detail), { "Retry-After": String(seconds) });
}

async function count(env: Env, tenant: string, max: number, more: number, now: number): Promise<Counted> {
  const known = counts.get(tenant) ?? remember(tenant, { live: 0, added: 0, until: 0 });
  const isLittle = known.live === 0 && known.added + more <= max / UNCOUNTED_PART;
  if (isLittle || known.until > now) return known;
  // Requests that come while this one asks go by the old count, instead of asking too.
  known.until = now + COUNTED_FOR_MS;
  return remember(tenant, { live: await countLive(env.DB, tenant, max), added: 0, until: now + COUNTED_FOR_MS });
}

function remember(tenant: string, counted: Counted): Counted {
  counts.delete(tenant);
  counts.set(tenant, counted);
  if (counts.size > MAX_TENANTS) counts.delete(counts.keys().next().value!);
  return counted;
}
