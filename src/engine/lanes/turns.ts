/**
 * Turns between the tenants of a lane. Bells that are more than an event starts, or that an isolate has no room for, are sorted
 * into portions by their tenants, and for each portion a turn is sent through a queue of its own. An event that gets a turn
 * starts the portion whose turn it is, whoever it was sent for. So bells never stand behind another tenant's backlog.
 */

import { sendTurns } from "../../broker/bells.ts";
import { readWeights } from "../../core/weights.ts";
import { turn, type TakenPortions } from "../../results/lanes/portions.ts";
import { budgetOf } from "../../core/plan.ts";

/** For how many attempts of a lane an isolate has room, and whose must wait meanwhile. */
export interface Room {
  most: number;
  except: readonly string[];
}

/** Sorts these bells, and takes the portions whose turn it is, as far as there is room. Those that are left get their turns. */
export async function sortBells(env: Env, lane: string, ids: readonly string[], room: Room): Promise<TakenPortions> {
  const sorting = { ids, size: budgetOf(env).attemptsPerEvent, weights: readWeights(env.TENANT_WEIGHTS) };
  const taken = await turn(env.DB, takingOf(lane, room), sorting);
  // Before the bells are acknowledged: an event that dies here has them delivered again.
  await sendTurns(env, lane, Math.max(0, taken.sorted - taken.portions));
  return taken;
}

/** Takes the portions whose turn it is. */
export async function takeTurn(env: Env, lane: string, room: Room): Promise<TakenPortions> {
  return turn(env.DB, takingOf(lane, room), null);
}

function takingOf(lane: string, { most, except }: Room) {
  return { lane, most, except, holder: crypto.randomUUID(), now: Date.now() };
}
