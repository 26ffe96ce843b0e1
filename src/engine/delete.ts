/** Removes ended tasks with all that belongs to them. */

import { deleteTasks } from "../results/purge-tasks.ts";
import { destroyObjects } from "./tell.ts";

/** Removes those whose retention is over at `before` (ms since the epoch; null: whatever it is). Answers how many. */
export async function deleteEnded(env: Env, ids: string[], before: number | null): Promise<number> {
  if (ids.length === 0) return 0;
  const deleted = await deleteTasks(env.DB, ids, before);
  await destroyObjects(env, deleted);
  return deleted.length;
}
