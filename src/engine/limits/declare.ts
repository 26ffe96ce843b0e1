/** Applies the limits of this version's definitions to tasks that were submitted to an earlier version. */

import { log } from "../../core/log.ts";
import type { Per } from "../../core/concurrency.ts";
import type { TaskDefinition } from "../../core/task.ts";
import { rateOf } from "../../core/share.ts";
import { changeLimits, type DeclaredLimits } from "../../results/limits/change.ts";
import { announce } from "../announce.ts";
import { findTask, taskNames } from "../registry.ts";

// Not a promise on which other invocations wait: the one that made it may be cut off.
let isDeclared = false;

/** Called before the first claim of an isolate, because a deployment starts new isolates. Never fails; the next claim tries again. */
export async function declareLimits(env: Env, now: number): Promise<void> {
  if (isDeclared) return;
  try {
    const limits = taskNames(env).flatMap((name) => limitsOf(findTask(name, env)!));
    if (await changeLimits(env.DB, limits, now)) await announce(env, { lookAt: now }, now);
    isDeclared = true;
  } catch (error) {
    log("limits_not_declared", { error });
  }
}

/** Several concurrency limits of one definition cannot be told apart by their keys: those change with the next submission. */
export function limitsOf({ name, rateLimit: rate, concurrency }: TaskDefinition): DeclaredLimits[] {
  const own = [...Map.groupBy(concurrency, (each) => each.per).values()].flatMap((all) =>
    all.length === 1 ? all : [],
  );
  const { interval, tolerance } = rate ? rateOf("", rate.limit, rate.perMs, rate.burst) : NO_RATE;
  return [
    ...own.map(({ per, limit }) => ({ ...keysOf(name, per), max: limit, ...NO_RATE })),
    ...(rate ? [{ ...keysOf(name, rate.scope), max: null, interval, tolerance }] : []),
  ];
}

const NO_RATE = { interval: null, tolerance: null };

/** The range of a task's keys, of all tenants or of the deployment. A tenant's key has an @ where the deployment's has a colon. */
function keysOf(task: string, per: Per): { from: string; before: string } {
  const [from, before] = per === "tenant" ? ["@", "A"] : [":", ";"];
  return { from: `task:${task}${from}`, before: `task:${task}${before}` };
}
