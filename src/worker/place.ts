/** Where attempts run: short ones in the event that claimed them, all others in objects. */

import type { TaskDefinition } from "../core/define-task.ts";
import { ATTEMPTS_PER_OBJECT, DEFAULT_TIMEOUT_MS } from "../core/limits.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { callsOf } from "./batch-call.ts";
import { boundsOf } from "./bounds.ts";

export interface Placed {
  /** They end within the time that the platform leaves an event. */
  here: ClaimedTask[];
  /** Those of each object. */
  apart: ClaimedTask[][];
}

/**
 * Decides by the attempt's time limit, never by its lane. A task that was cut off once gets an object of its own, so
 * that it takes no neighbour with it a second time; several long ones share one, because an object costs by its
 * duration and not by what it does.
 */
export function placesOf(
  claimed: readonly ClaimedTask[],
  definitionOf: (task: string) => TaskDefinition | undefined,
): Placed {
  const calls = callsOf(claimed, definitionOf);
  const alone = calls.filter(wasCutOff);
  const others = calls.filter((call) => !wasCutOff(call));
  const long = others.filter((call) => isLong(call, definitionOf));
  return {
    here: others.filter((call) => !isLong(call, definitionOf)).flat(),
    apart: [...alone, ...inGroups(long)],
  };
}

function wasCutOff(call: readonly ClaimedTask[]): boolean {
  return call.some((task) => task.crashes > 0);
}

function isLong(call: readonly ClaimedTask[], definitionOf: (task: string) => TaskDefinition | undefined): boolean {
  return call.some((task) => boundsOf(task, definitionOf(task.task)).hardMs > DEFAULT_TIMEOUT_MS);
}

function inGroups(calls: readonly ClaimedTask[][]): ClaimedTask[][] {
  return Array.from({ length: Math.ceil(calls.length / ATTEMPTS_PER_OBJECT) }, (_, i) =>
    calls.slice(i * ATTEMPTS_PER_OBJECT, (i + 1) * ATTEMPTS_PER_OBJECT).flat(),
  );
}
