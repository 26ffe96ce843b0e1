/** How many messages wait in the queues, by the queues' own metrics. */

import { LANES, type Lane } from "../core/bounds.ts";
import { queueOf } from "./bells.ts";

/** Messages that wait, by lane; null where a queue does not say. Messages in delivery do not count. */
export async function readBacklogs(env: Env): Promise<Record<Lane, number | null>> {
  const counts = await Promise.all(
    LANES.map(async (lane): Promise<[Lane, number | null]> => {
      try {
        return [lane, (await queueOf(env, lane).metrics()).backlogCount];
      } catch {
        return [lane, null];
      }
    }),
  );
  return Object.fromEntries(counts) as Record<Lane, number | null>;
}
