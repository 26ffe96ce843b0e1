/** Decides where attempts run: short ones in the event that claimed them, all others in objects. */

import { DEFAULT_TIMEOUT_MS } from "../core/bounds.ts";
import { budgetOf } from "../core/plan.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { attemptOf, type Attempt } from "./attempt.ts";
import { callsOf } from "./batch-call.ts";

export interface Placed {
  /** Attempts that end within the time of the event. */
  here: Attempt[];
  /** The claimed tasks of each object. */
  apart: ClaimedTask[][];
}

/**
 * Decides by the attempt's time limit, never by its lane. A task that was cut off once gets an object of its own, so
 * that it cannot cut off others if it brings its worker down again. Several long attempts share an object, because the
 * platform bills an object's duration and not its work.
 */
export function placesOf(env: Env, claimed: readonly ClaimedTask[]): Placed {
  const calls = callsOf(claimed.map((task) => attemptOf(env, task)));
  const alone = calls.filter(wasCutOff);
  const others = calls.filter((call) => !wasCutOff(call));
  const long = others.filter(isLong);
  return {
    here: others.filter((call) => !isLong(call)).flat(),
    apart: [...alone.map(tasksOf), ...objectsFor(env, long)],
  };
}

/** The tasks of each object that runs these calls of handlers. */
export function objectsFor(env: Env, calls: readonly Attempt[][]): ClaimedTask[][] {
  return inGroups(calls, budgetOf(env).attemptsPerObject).map(tasksOf);
}

function tasksOf(attempts: readonly Attempt[]): ClaimedTask[] {
  return attempts.map(({ task }) => task);
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
