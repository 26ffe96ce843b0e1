/** Makes the limits of this version's definitions hold for what was submitted to an earlier one. */

import { pokeClock } from "../broker/poke.ts";
import { definitionKey } from "../core/concurrency.ts";
import type { TaskDefinition } from "../core/define-task.ts";
import { rateOf } from "../core/share.ts";
import { changeLimits, type DeclaredLimits } from "../results/change-limits.ts";
import { findTask, taskNames } from "../tasks/registry.ts";

// Not a promise that others wait for: the invocation that makes it may be cut off.
let isDeclared = false;

/** Before the first claim of an isolate: a deployment starts new ones. Never fails; the next claim tries again. */
export async function declareLimits(env: Env, now: number): Promise<void> {
  if (isDeclared) return;
  try {
    const limits = taskNames(env).flatMap((name) => limitsOf(findTask(name, env)!));
    if (await changeLimits(env.DB, limits, now)) await pokeClock(env, now);
    isDeclared = true;
  } catch (error) {
    console.warn(JSON.stringify({ event: "limits_not_declared", error: String(error) }));
  }
}

/** Several concurrency limits of one definition cannot be told apart by their keys: those change with the next submission. */
export function limitsOf({ name, rateLimit: rate, concurrency }: TaskDefinition): DeclaredLimits[] {
  const [only] = concurrency.length === 1 ? concurrency : [];
  if (rate === null && !only) return [];
  const prefix = definitionKey(name, "");
  const own = rate && rateOf(prefix, rate.limit, rate.perMs, rate.burst);
  return [{ prefix, max: only?.limit ?? null, interval: own?.interval ?? null, tolerance: own?.tolerance ?? null }];
}
