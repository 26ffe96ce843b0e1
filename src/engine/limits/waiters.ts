/** Finds free slots for which no waiter got a queue message. */

import { readIdleKeys } from "../../results/limits/slots.ts";
import { announce } from "../announce.ts";

/** Sends messages for the waiters of such slots, for at most `most` keys after `after`; returns where to go on. Called by the clock. */
export async function ringIdleKeys(env: Env, most: number, after: string): Promise<string> {
  const { keys, next } = await readIdleKeys(env.DB, most, after);
  await announce(env, { freed: keys });
  return next;
}
