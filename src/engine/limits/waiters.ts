/** Finds slots that nobody was rung for. */

import { readIdleKeys } from "../../results/limits/slots.ts";
import { announce } from "../announce.ts";

/** Rings for slots whose bell was never rung, under at most `keys` keys. Part of the clock's round. */
export async function ringIdleKeys(env: Env, keys: number): Promise<void> {
  await announce(env, { freed: await readIdleKeys(env.DB, keys) });
}
