/** Makes the deliveries of the ends that are in the outbox. */

import { announce } from "../announce.ts";
import { expandSome } from "./expand.ts";

/** Ends that are read at once. */
const CHUNK = 100;

/** Delivers all that is owed, oldest first, while it may go on; answers whether some could not be delivered, and whether more is left. */
export async function deliverOwed(
  env: Env,
  limit = CHUNK,
  mayGoOn: () => boolean = () => true,
): Promise<{ failed: boolean; more: boolean }> {
  for (;;) {
    const { owed, deliveries, failed } = await expandSome(env, null, limit);
    await announce(env, { moved: deliveries });
    if (failed || owed < limit) return { failed, more: false };
    if (!mayGoOn()) return { failed, more: true };
  }
}
