/** Finds slots that nobody was rung for. */

import { readIdleKeys } from "../../results/limits/slots.ts";
import { announce } from "../announce.ts";

/** Rings for slots whose bell was never rung, under at most `most` keys after `after`; answers where to go on. Part of the clock's round. */
export async function ringIdleKeys(env: Env, most: number, after: string): Promise<string> {
  const { keys, next } = await readIdleKeys(env.DB, most, after);
  await announce(env, { freed: keys });
  return next;
}
