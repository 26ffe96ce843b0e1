/** Runs ended tasks again. */

import { ringBells } from "../broker/bells.ts";
import { pokeClock } from "../broker/poke.ts";
import { BELL_MS } from "../core/limits.ts";
import { retryTasks, type NewInput } from "../results/retry-tasks.ts";
import type { Background } from "./store.ts";

/** Starts a new run of those that failed, were cancelled or expired; answers which. */
export async function retry(
  env: Env,
  background: Background,
  ids: string[],
  input: NewInput | null,
  now: number,
): Promise<string[]> {
  const queued = await retryTasks(env.DB, ids, input, crypto.randomUUID(), now);
  background.waitUntil(ringBells(env, queued));
  if (queued.length > 0) background.waitUntil(pokeClock(env, now + BELL_MS));
  return queued.map((task) => task.id);
}
