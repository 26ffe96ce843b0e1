/** Makes deliveries again, or at once where they wait for their next attempt. The message stays the same. */

import { ringBells } from "../broker/bells.ts";
import { pokeClock } from "../broker/poke.ts";
import { BELL_MS } from "../core/limits.ts";
import { listDeliveryIds } from "../results/read-deliveries.ts";
import { replayTasks } from "../results/replay-tasks.ts";
import { deliveryTaskIdOf, messageIdBefore } from "./message-ids.ts";
import type { Background } from "./store.ts";

/** Deliveries moved in one transaction. */
const CHUNK = 500;

/** Replays these messages; answers how many were not on their way already. */
export async function replay(env: Env, background: Background, messageIds: string[], now: number): Promise<number> {
  const queued = await replayTasks(env.DB, messageIds.map(deliveryTaskIdOf), now);
  background.waitUntil(ringBells(env, queued));
  if (queued.length > 0) background.waitUntil(pokeClock(env, now + BELL_MS));
  return queued.length;
}

/** Replays what happened from `since` to `until`, both included, in ms since the epoch. */
export async function replayRange(
  env: Env,
  background: Background,
  webhook: { tenant: string; id: string },
  since: number,
  until: number,
  now: number,
): Promise<{ matched: number; changed: number }> {
  let matched = 0;
  let changed = 0;
  let after = messageIdBefore(since);
  const before = messageIdBefore(until + 1);
  for (;;) {
    const ids = await listDeliveryIds(env.DB, webhook.tenant, webhook.id, after, before, CHUNK);
    matched += ids.length;
    if (ids.length > 0) changed += await replay(env, background, ids, now);
    if (ids.length < CHUNK) return { matched, changed };
    after = ids.at(-1)!;
  }
}
