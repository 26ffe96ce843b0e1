/**
 * Turns between the tenants of a lane. Bells (queue messages with task ids) for more tasks than an event starts, or than an
 * isolate has room for, are sorted into portions by tenant, and for each portion a turn (a message) is sent on a queue for turns.
 * An event that gets a turn starts the portion that is next, whichever the turn was sent for. So no bell waits behind another
 * tenant's backlog. A turn may be for several portions, where an event has room for so many.
 */

import { sendTurns } from "../../broker/bells.ts";
import { readWeights } from "../../core/weights.ts";
import { turn, type TakenPortions } from "../../results/lanes/portions.ts";
import { budgetOf } from "../../core/plan.ts";

/** For how many attempts of a lane an isolate has room, and the tenants whose portions must wait meanwhile. */
export interface Room {
  most: number;
  except: readonly string[];
}

/** Sorts these bells into portions, and takes the next portions, as far as there is room. Sends a turn for each of the others. */
export async function sortBells(env: Env, lane: string, ids: readonly string[], room: Room): Promise<TakenPortions> {
  const size = budgetOf(env).attemptsPerEvent;
  const taken = await turn(env.DB, takingOf(lane, room), { ids, size, weights: readWeights(env.TENANT_WEIGHTS) });
  // Sent before the bells are acknowledged: if the event dies here, the queue delivers them again.
  await sendTurns(env, lane, taken.sorted - taken.portions);
  return taken;
}

/** Takes the next portions, as far as there is room. */
export async function takeTurn(env: Env, lane: string, room: Room): Promise<TakenPortions> {
  return turn(env.DB, takingOf(lane, room), null);
}

function takingOf(lane: string, { most, except }: Room) {
  return { lane, most, except, holder: crypto.randomUUID(), now: Date.now() };
}
