/** Makes deliveries again, or at once where they wait for their next attempt. The message stays the same. */

import { firstIdAt } from "../../core/id-time.ts";
import { BELL_MS } from "../../core/bounds.ts";
import { budgetOf } from "../../core/plan.ts";
import type { Audit } from "../../results/audit.ts";
import { listDeliveryIds } from "../../results/webhooks/read-deliveries.ts";
import { replayTasks } from "../../results/webhooks/replay.ts";
import { announce } from "../announce.ts";
import { admit, note, withCounts } from "../quota.ts";
import { deliveryTaskIdOf } from "./ids.ts";
import type { Background } from "../store.ts";

/** Replays these messages; answers how many were not on their way already. Throws a 429 over the tenant's quota. */
export async function replay(
  env: Env,
  background: Background,
  tenant: string,
  messageIds: string[],
  now: number,
  audit: Audit | null = null,
): Promise<number> {
  const more = { tasks: messageIds.length };
  await admit(env, tenant, more, now);
  // A tenant that has no room replays nothing; but deliveries do not count as its tasks.
  note(tenant, { tasks: -more.tasks });
  const queued = await replayTasks(env.DB, messageIds.map(deliveryTaskIdOf), now, audit);
  background.waitUntil(announce(env, { ring: queued, lookAt: queued.length > 0 ? now + BELL_MS : null }, now));
  return queued.length;
}

/** D1 statements for one chunk: those that find its messages and those that replay them. */
const STATEMENTS = 8;

/**
 * Replays what happened from `since` to `until`, both included, in ms since the epoch, after the message `cursor`. One call does a
 * bounded part of it: `next` is the message to go on after, null where that was all.
 */
export async function replayRange(
  env: Env,
  background: Background,
  webhook: { tenant: string; id: string },
  { since, until, cursor }: { since: number; until: number; cursor: string | null },
  now: number,
  audit: Audit | null = null,
): Promise<{ matched: number; changed: number; next: string | null }> {
  const { statements, rowsPerBulk } = budgetOf(env);
  let matched = 0;
  let changed = 0;
  const first = firstIdAt("msg", since);
  let after = cursor !== null && cursor > first ? cursor : first;
  const before = firstIdAt("msg", until + 1);
  for (let left = Math.floor((statements * 0.6) / STATEMENTS); left > 0; left--) {
    const ids = await listDeliveryIds(env.DB, webhook.tenant, webhook.id, after, before, rowsPerBulk);
    matched += ids.length;
    const counts = () => ({ matched, changed });
    if (ids.length > 0)
      changed += await withCounts(counts, () => replay(env, background, webhook.tenant, ids, now, audit));
    if (ids.length < rowsPerBulk) return { matched, changed, next: null };
    after = ids.at(-1)!;
  }
  return { matched, changed, next: after };
}
