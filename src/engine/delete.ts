/** Removes ended tasks with all that belongs to them. */

import type { Audit } from "../results/audit.ts";
import { deleteTasks, removeTasks, type Purged } from "../results/purge-tasks.ts";
import { deliverFor } from "./deliver.ts";
import { destroyObjects } from "./tell.ts";

/** Removes those whose retention is over at `before` (ms since the epoch; null: whatever it is). Answers how many. */
export async function deleteEnded(
  env: Env,
  ids: string[],
  before: number | null,
  audit: Audit | null = null,
): Promise<number> {
  if (ids.length === 0) return 0;
  return andWhatWasOwed(env, ids, before, await deleteTasks(env.DB, ids, before, audit), audit);
}

/** The same for rows that were read already. */
export async function purge(env: Env, rows: readonly Purged[], before: number): Promise<number> {
  if (rows.length === 0) return 0;
  const ids = rows.map((row) => row.id);
  return andWhatWasOwed(env, ids, before, await removeTasks(env.DB, rows, before));
}

async function andWhatWasOwed(
  env: Env,
  ids: string[],
  before: number | null,
  removed: Purged[],
  audit: Audit | null = null,
): Promise<number> {
  const deleted = [...removed];
  if (deleted.length < ids.length) {
    // What webhooks are owed needs the task; once they have their copies it goes too.
    const gone = new Set(deleted.map((task) => task.id));
    const kept = ids.filter((id) => !gone.has(id));
    await deliverFor(
      env,
      kept.map((id) => ({ id })),
    );
    deleted.push(...(await deleteTasks(env.DB, kept, before, audit)));
  }
  await destroyObjects(env, deleted);
  return deleted.length;
}
