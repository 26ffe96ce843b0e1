/** Lets work in: what every submission passes before it is stored, from a request, a handler or a flow. */

import { RefusalError } from "../results/d1.ts";
import type { NewTask } from "../results/new-task.ts";
import { admit, keepOnly, useOf } from "./quota.ts";
import { sealTasks } from "./sealing/tasks.ts";
import { demandStorage, isStorageHeld } from "./storage.ts";

/**
 * Lets these tasks of one tenant in, and seals what is secret in them. `new` work is refused before the database is full; tasks
 * that `accepted` work submits are let in for longer. Throws a 503 `storage-full` where there is no room, a 429 over the tenant's quota.
 */
export async function takeIn(
  env: Env,
  tenant: string,
  tasks: readonly NewTask[],
  now: number,
  kind: "new" | "accepted" = "new",
): Promise<void> {
  if (tasks.length === 0) return;
  if (kind === "new") await demandStorage(env, now);
  else if (isStorageHeld(env)) throw new RefusalError("full");
  await admit(env, tenant, useOf(tasks), now);
  await sealTasks(env, tasks);
}

/**
 * Stores tasks that were let in. Only those that `isMade` says were made count in their tenant's use: none where `store` fails,
 * where the request repeats an earlier one, or where other tasks stand for them.
 */
export async function storeCounted<T>(
  tasks: readonly NewTask[],
  store: () => Promise<T>,
  isMade: (stored: T, task: NewTask) => boolean,
): Promise<T> {
  const [first] = tasks;
  if (first === undefined) return store();
  return keepOnly(first.tenant, useOf(tasks), store, (stored) => useOf(tasks.filter((task) => isMade(stored, task))));
}
