/** The retention walk and the other forgetting, as part of a tick. */

import { destroyObjects } from "../engine/tell.ts";
import { forgetBuckets } from "../results/buckets.ts";
import { forgetLimits } from "../results/places.ts";
import { forgetWindows } from "../results/shared-tasks.ts";
import { forgetKeys, walkRetention } from "../results/purge-tasks.ts";
import { forgetRollups } from "../results/rollups.ts";

interface WalkState {
  cursor: string;
  /** null: nothing was ahead of the cursor. */
  nextAt: number | null;
}

const CHUNK = 500;
const ROUNDS = 10;
const FORGET_EVERY_MS = 60_000;

/** Purges what is over at `now`; answers when the walk must go on, in ms since the epoch. */
export async function keepRetention(env: Env, kv: SyncKvStorage, now: number): Promise<number | null> {
  const state = kv.get<WalkState>("walk") ?? { cursor: "", nextAt: null };
  let { cursor, nextAt } = state;
  if (nextAt === null || nextAt <= now) {
    for (let round = 0; round < ROUNDS; round++) {
      const walk = await walkRetention(env.DB, cursor, now, CHUNK);
      await destroyObjects(env, walk.purged);
      cursor = walk.cursor;
      nextAt = walk.more ? now : walk.nextAt;
      if (!walk.more) break;
    }
    if (cursor !== state.cursor || nextAt !== state.nextAt) kv.put<WalkState>("walk", { cursor, nextAt });
  }
  const forgot = kv.get<number>("forgot") ?? 0;
  if (now - forgot >= FORGET_EVERY_MS) {
    await forgetKeys(env.DB, now, 1_000);
    await forgetLimits(env.DB, 1_000);
    await forgetBuckets(env.DB, now, 1_000);
    await forgetRollups(env.DB, now);
    await forgetWindows(env.DB, now, 1_000);
    kv.put("forgot", now);
  }
  return nextAt;
}
