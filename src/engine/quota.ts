/**
 * The tenant's quota on tasks that have not ended. Roughly kept, because exact counting would cost every
 * task a write: an isolate asks for the count every few seconds, and adds what it lets in meanwhile.
 */

import { ProblemError, problem } from "../core/problems.ts";
import { countLive } from "../results/count-live.ts";

const COUNTED_FOR_MS = 5_000;

const MAX_TENANTS = 1_000;

interface Counted {
  live: number;
  until: number;
}

const counts = new Map<string, Counted>();

/** Lets `more` tasks of a tenant in, or throws 429. Free where no quota is configured. */
export async function admit(env: Env, tenant: string, more: number, now: number): Promise<void> {
  const max = Number(env.MAX_LIVE_TASKS);
  if (!(max > 0) || more === 0) return;
  const counted = await count(env, tenant, max, now);
  if (counted.live + more > max) {
    const detail = `${max} tasks of one tenant may be on their way at once. Try again when some have ended.`;
    throw new ProblemError(problem("quota-exceeded", detail), { "Retry-After": String(COUNTED_FOR_MS / 1_000) });
  }
  counted.live += more;
}

async function count(env: Env, tenant: string, max: number, now: number): Promise<Counted> {
  const known = counts.get(tenant);
  if (known && known.until > now) return known;
  // Requests that come while this one asks go by the old count, instead of asking too.
  if (known) known.until = now + COUNTED_FOR_MS;
  const fresh = { live: await countLive(env.DB, tenant, max), until: now + COUNTED_FOR_MS };
  counts.delete(tenant);
  counts.set(tenant, fresh);
  if (counts.size > MAX_TENANTS) counts.delete(counts.keys().next().value!);
  return fresh;
}
