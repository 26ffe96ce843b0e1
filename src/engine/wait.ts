/** Waits for a task's end, for a caller who would rather wait than poll. */

import { isTerminal, type State } from "../core/states.ts";
import { persistOr503 } from "../results/d1.ts";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

/** True as soon as the task has ended; false when `ms` have passed first. */
export async function waitForEnd(env: Env, id: string, ms: number, signal?: AbortSignal): Promise<boolean> {
  const until = Date.now() + ms;
  let pause = FIRST_PAUSE_MS;
  while (!signal?.aborted) {
    const left = until - Date.now();
    if (left <= 0) return false;
    await scheduler.wait(Math.min(pause, left));
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS);
    const state = await persistOr503(() =>
      env.DB.prepare("SELECT state FROM tasks WHERE id = ?1").bind(id).first<State>("state"),
    );
    if (state === null || isTerminal(state)) return true;
  }
  return false;
}
