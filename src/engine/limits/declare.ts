/** Makes the limits of this version's definitions hold for what was submitted to an earlier one. */

import { log } from "../../core/log-events.ts";
import type { Per } from "../../core/concurrency.ts";
import type { TaskDefinition } from "../../core/task.ts";
import { rateOf } from "../../core/share.ts";
import { changeLimits, type DeclaredLimits } from "../../results/limits/change.ts";
import { announce } from "../announce.ts";
import { findTask, taskNames } from "../registry.ts";

// Not a promise that others wait for: the invocation that makes it may be cut off.
let isDeclared = false;

/** Before the first claim of an isolate: a deployment starts new ones. Never fails; the next claim tries again. */
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

/** The keys of all tenants, or of the deployment: from one to before another. A tenant's key has an @ where another has its colon. */
function keysOf(task: string, per: Per): { from: string; before: string } {
  const [from, before] = per === "tenant" ? ["@", "A"] : [":", ";"];
  return { from: `task:${task}${from}`, before: `task:${task}${before}` };
}
