/** Ends tasks that are over a rate whose definition drops what is over. */

import { dropOverRate } from "../results/drop-tasks.ts";
import { announceCancelled } from "./cancel.ts";

/** `now`: when the claim refused them, in ms since the epoch. */
export async function drop(env: Env, ids: string[], now: number): Promise<void> {
  await announceCancelled(env, await dropOverRate(env.DB, ids, now), now);
}
