/** Ends tasks that exceed a rate limit whose definition says `drop`. */

import { dropOverRate } from "../results/drop-tasks.ts";
import { announce } from "./announce.ts";

/** `now`: when the claim refused them, in ms since the epoch. */
export async function drop(env: Env, ids: string[], now: number): Promise<void> {
  await announce(env, await dropOverRate(env.DB, ids, now), now);
}
