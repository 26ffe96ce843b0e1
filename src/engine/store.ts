/**
 * Stores plain submissions. Those that come while another write is on its way share the next one:
 * D1 takes one write at a time, so under load this is where the throughput is.
 */

import { ringBells } from "../broker/bells.ts";
import { earliest, pokeClock } from "../broker/poke.ts";
import type { Share } from "../core/share.ts";
import { insertTasks, type IdempotencyClaim, type NewTask, type Remembered } from "../results/insert-tasks.ts";
import { storeShared } from "../results/shared-tasks.ts";

/** Where background work of a request goes. */
export interface Background {
  waitUntil(promise: Promise<unknown>): void;
}

interface Waiting {
  task: NewTask;
  stored: PromiseWithResolvers<void>;
}

const MAX_GROUP = 500;

/** Characters of input that travel together; one task may have a megabyte. */
const MAX_GROUP_LENGTH = 2_000_000;

/** A follower whose leader was cut off stores its task itself after this; the leader's write, if it happened, is the same. */
const PATIENCE_MS = 3_000;

let waiting: Waiting[] = [];
let leaderUntil = 0;

/** Stores one task together with those of concurrent requests. Resolves once it is durable. */
export async function storeOne(env: Env, background: Background, task: NewTask): Promise<void> {
  const mine: Waiting = { task, stored: Promise.withResolvers<void>() };
  waiting.push(mine);
  if (leaderUntil < Date.now()) {
    leaderUntil = Date.now() + PATIENCE_MS;
    background.waitUntil(lead(env, background));
  }
  let patience = 0;
  const lost = new Promise<"lost">((resolve) => {
    patience = setTimeout(() => resolve("lost"), PATIENCE_MS);
  });
  try {
    if ((await Promise.race([mine.stored.promise, lost])) === "lost") await storeAll(env, background, [task]);
  } finally {
    clearTimeout(patience);
  }
}

/** The I/O is all the leader's own; the followers only wait for a promise that it resolves. */
async function lead(env: Env, background: Background): Promise<void> {
  try {
    while (waiting.length > 0) {
      leaderUntil = Date.now() + PATIENCE_MS;
      const group = nextGroup();
      try {
        await storeAll(
          env,
          background,
          group.map((each) => each.task),
        );
        for (const { stored } of group) stored.resolve();
      } catch (error) {
        for (const { stored } of group) stored.reject(error);
      }
    }
  } finally {
    leaderUntil = 0;
  }
}

function nextGroup(): Waiting[] {
  let length = 0;
  const tooMuch = waiting.findIndex(({ task }, i) => {
    length += task.input?.length ?? 0;
    return i > 0 && (i === MAX_GROUP || length > MAX_GROUP_LENGTH);
  });
  return waiting.splice(0, tooMuch === -1 ? waiting.length : tooMuch);
}

/** Stores these tasks in one transaction and rings for them afterwards. */
export async function storeAll(env: Env, background: Background, tasks: NewTask[]): Promise<void> {
  if (tasks.length === 0) return;
  await insertTasks(env.DB, tasks);
  announce(env, background, tasks);
}

/** Stores these tasks only if nobody holds the key; answers what the key's holder has made. */
export async function storeOnce(
  env: Env,
  background: Background,
  tasks: NewTask[],
  claim: IdempotencyClaim,
): Promise<Remembered | null> {
  const remembered = await insertTasks(env.DB, tasks, claim);
  if (remembered?.made === claim.made) announce(env, background, tasks);
  return remembered;
}

/** Stores this task unless another one stands for it; answers the id of the one that does. */
export async function storeShare(
  env: Env,
  background: Background,
  task: NewTask,
  share: Share,
  now: number,
): Promise<string> {
  const id = await storeShared(env.DB, task, await hashed(share), now);
  announce(env, background, [{ ...task, id }]);
  return id;
}

/** A cache's key is the input itself, which may be long. */
async function hashed(share: Share): Promise<Share> {
  if (share.kind !== "cache") return share;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(share.key));
  return { ...share, key: new Uint8Array(digest).toBase64() };
}

function announce(env: Env, background: Background, tasks: NewTask[]): void {
  const queued = tasks.filter((task) => task.state === "queued");
  const due = earliest(tasks.map((task) => task.dueAt));
  background.waitUntil(ringBells(env, queued));
  if (due !== null) background.waitUntil(pokeClock(env, due));
}
