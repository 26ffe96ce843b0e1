/** Changes tasks before they start, holds them back, lets them go on and starts them now. */

import type { Audit } from "../results/audit.ts";
import { changeTask, type TaskChange } from "../results/change-tasks.ts";
import type { NewInput } from "../results/retry-tasks.ts";
import { announce } from "./announce.ts";
import type { Background } from "./store.ts";

/**
 * Changes a task that has not started; answers whether it could. `input` takes the place of its input and limits. `now` is ms
 * since the epoch.
 */
export async function change(
  env: Env,
  background: Background,
  id: string,
  wanted: TaskChange,
  input: NewInput | null,
  now: number,
  audit: Audit | null = null,
): Promise<boolean> {
  const after = await changeTask(env.DB, id, wanted, input, now, audit);
  if (after !== null) background.waitUntil(announce(env, { moved: [after] }, now));
  return after !== null;
}
