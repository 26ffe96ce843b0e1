/** Removes ended tasks with all that belongs to them. */

import { deleteTasks } from "../results/purge-tasks.ts";
import { deliverFor } from "./deliver.ts";
import { destroyObjects } from "./tell.ts";

/** Removes those whose retention is over at `before` (ms since the epoch; null: whatever it is). Answers how many. */
export async function deleteEnded(env: Env, ids: string[], before: number | null): Promise<number> {
  if (ids.length === 0) return 0;
  const deleted = await deleteTasks(env.DB, ids, before);
  if (deleted.length < ids.length) {
    // What webhooks are owed needs the task; once they have their copies it goes too.
    const gone = new Set(deleted.map((task) => task.id));
    const kept = ids.filter((id) => !gone.has(id));
    await deliverFor(
      env,
      kept.map((id) => ({ id })),
    );
    deleted.push(...(await deleteTasks(env.DB, kept, before)));
  }
  await destroyObjects(env, deleted);
  return deleted.length;
}
