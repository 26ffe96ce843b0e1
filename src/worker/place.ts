/** Where attempts run: short ones in the event that claimed them, all others in objects. */

import { DEFAULT_TIMEOUT_MS } from "../core/bounds.ts";
import { budgetOf } from "../core/plan.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { attemptOf, type Attempt } from "./attempt.ts";
import { callsOf } from "./batch-call.ts";

export interface Placed {
  /** They end within the time that the platform leaves an event. */
  here: Attempt[];
  /** Those of each object. */
  apart: ClaimedTask[][];
}

/**
 * Decides by the attempt's time limit, never by its lane. A task that was cut off once gets an object of its own, so
 * that it takes no neighbour with it a second time; several long ones share one, because an object costs by its
 * duration and not by what it does.
 */
export function placesOf(env: Env, claimed: readonly ClaimedTask[]): Placed {
  const calls = callsOf(claimed.map((task) => attemptOf(env, task)));
  const alone = calls.filter(wasCutOff);
  const others = calls.filter((call) => !wasCutOff(call));
  const long = others.filter(isLong);
  return {
    here: others.filter((call) => !isLong(call)).flat(),
    apart: [...alone, ...inGroups(long, budgetOf(env).attemptsPerObject)].map((group) => group.map(({ task }) => task)),
  };
}

function wasCutOff(call: readonly Attempt[]): boolean {
  return call.some(({ task }) => task.crashes > 0);
}

function isLong(call: readonly Attempt[]): boolean {
  return call.some(({ bounds }) => bounds.hardMs > DEFAULT_TIMEOUT_MS);
}

function inGroups(calls: readonly Attempt[][], size: number): Attempt[][] {
  return Array.from({ length: Math.ceil(calls.length / size) }, (_, i) => calls.slice(i * size, (i + 1) * size).flat());
}
