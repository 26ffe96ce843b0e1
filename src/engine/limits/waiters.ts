/** Rings for those who waited for a place that is free now. */

import { ringBells } from "../../broker/bells.ts";
import type { KeyLimit } from "../../core/concurrency.ts";
import type { Belled } from "../../results/due-tasks.ts";
import { readIdleKeys, readNextInLine } from "../../results/limits/slots.ts";

/** `freed`: what the `concurrency` column of tasks whose attempt ended holds. */
export async function ringNextInLine(env: Env, freed: (string | null)[]): Promise<void> {
  const limits = freed.flatMap((text) => (text === null ? [] : (JSON.parse(text) as KeyLimit[])));
  if (limits.length === 0) return;
  const keys = [...new Set(limits.map((each) => each.key))];
  await ringBells(env, await readNextInLine(env.DB, keys));
}

/**
 * Rings for new tasks, and with them for those who may start now because these have raised the limits of such keys:
 * who asks together is claimed in the order of the line, so nobody overtakes.
 */
export async function ringInLine(env: Env, tasks: Belled[], raised: string[]): Promise<void> {
  const before = await readNextInLine(env.DB, raised).catch(() => []);
  await ringBells(env, [...new Map([...before, ...tasks].map((task) => [task.id, task])).values()]);
}

/** Rings for places whose bell was never rung, under at most `keys` keys. Part of the clock's round. */
export async function ringIdleKeys(env: Env, keys: number): Promise<void> {
  await ringBells(env, await readNextInLine(env.DB, await readIdleKeys(env.DB, keys)));
}
