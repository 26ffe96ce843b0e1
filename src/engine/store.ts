/** Stores submissions that passed their checks, and sends messages for those that start at once. */

import type { Share } from "../core/share.ts";
import type { Drain } from "../results/lanes/lanes.ts";
import type { IdempotencyClaim, Remembered } from "../results/idempotency.ts";
import { insertTasks } from "../results/submit-tasks.ts";
import type { NewTask } from "../results/new-task.ts";
import { storeShared } from "../results/shared-tasks.ts";
import { announce } from "./announce.ts";
import { nameOfInput } from "./sealing/tasks.ts";

/** Where background work of a request goes. */
export interface Background {
  waitUntil(promise: Promise<unknown>): void;
}

/** Stores these tasks in one transaction and sends messages for them afterwards; answers the drains that refused some, by their ids. */
export async function storeAll(
  env: Env,
  background: Background,
  tasks: NewTask[],
): Promise<ReadonlyMap<string, Drain>> {
  const inserting = insertTasks(env.DB, tasks);
  // The call to D1 may carry statements of other events too, so it goes on where the caller closes the connection.
  background.waitUntil(inserting.catch(() => undefined));
  const { refused, raised } = await inserting;
  const stored = refused.size === 0 ? tasks : tasks.filter((task) => !refused.has(task.id));
  if (stored.length > 0) background.waitUntil(announce(env, { moved: stored, raised }));
  return refused;
}

/** Stores these tasks only if no request holds the key; answers what the key's holder has made, null where a lane refuses them. */
export async function storeOnce(
  env: Env,
  background: Background,
  tasks: NewTask[],
  claim: IdempotencyClaim,
): Promise<Remembered | null> {
  const { remembered, raised } = await insertTasks(env.DB, tasks, claim);
  if (remembered?.made === claim.made) background.waitUntil(announce(env, { moved: tasks, raised }));
  return remembered;
}

/** Stores this task unless another one serves its submission; answers the id of the task that does, null where its lane refuses it. */
export async function storeShare(
  env: Env,
  background: Background,
  task: NewTask,
  share: Share,
  now: number,
): Promise<string | null> {
  const id = await storeShared(env.DB, task, await hashed(env, task, share), now);
  if (id !== null) background.waitUntil(announce(env, { moved: [{ ...task, id }] }));
  return id;
}

/** The key of a cache is the input, which may be long: its hash is stored. */
async function hashed(env: Env, task: NewTask, share: Share): Promise<Share> {
  if (share.kind !== "cache") return share;
  const name = await nameOfInput(env, task, share.key);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(name));
  return { ...share, key: new Uint8Array(digest).toBase64() };
}
