/** Rings for tasks that were just stored and start with others: once for a batch, not once for each. */

import { ringBells } from "../../broker/bells.ts";
import { readWhole } from "../../results/claim-batches.ts";
import type { NewTask } from "../../results/new-task.ts";

/** Rings for those whose batch is whole now. The clock rings for the rest: their timers stand where their wait ends. Never fails. */
export async function ringWhole(env: Env, gathering: NewTask[]): Promise<void> {
  if (gathering.length === 0) return;
  const ids = gathering.map((task) => task.id);
  const whole = await readWhole(env.DB, ids).catch(() => gathering);
  await ringBells(env, whole);
}
