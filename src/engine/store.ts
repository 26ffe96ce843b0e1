/**
 * Stores plain submissions. Those that come while another write is on its way share the next one:
 * D1 takes one write at a time, so under load this is where the throughput is.
 */

import { earliest, pokeClock } from "../broker/poke.ts";
import type { Share } from "../core/share.ts";
import type { Drain } from "../results/drains.ts";
import { insertTasks, type IdempotencyClaim, type NewTask, type Remembered } from "../results/insert-tasks.ts";
import { storeShared } from "../results/shared-tasks.ts";
import { ringWhole } from "./gather.ts";
import { ringInLine } from "./line.ts";

/** Where background work of a request goes. */
export interface Background {
  waitUntil(promise: Promise<unknown>): void;
}

interface Waiting {
  task: NewTask;
  /** Once it is durable: null; else why it is not. */
  stored: PromiseWithResolvers<Drain | null>;
}

const MAX_GROUP = 500;

/** Characters of input that travel together; one task may have a megabyte. */
const MAX_GROUP_LENGTH = 2_000_000;

/** A follower whose leader was cut off stores its task itself after this; the leader's write, if it happened, is the same. */
const PATIENCE_MS = 3_000;

let waiting: Waiting[] = [];
let leaderUntil = 0;

/** Stores one task together with those of concurrent requests. Resolves once it is durable, or with why its lane refuses it. */
export async function storeOne(env: Env, background: Background, task: NewTask): Promise<Drain | null> {
  const mine: Waiting = { task, stored: Promise.withResolvers<Drain | null>() };
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
    const stored = await Promise.race([mine.stored.promise, lost]);
    if (stored !== "lost") return stored;
    return (await storeAll(env, background, [task])).get(task.id) ?? null;
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
        const refused = await storeAll(
          env,
          background,
          group.map((each) => each.task),
        );
        for (const { task, stored } of group) stored.resolve(refused.get(task.id) ?? null);
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

/** Stores these tasks in one transaction and rings for them afterwards; answers why some were refused, by their ids. */
export async function storeAll(
  env: Env,
  background: Background,
  tasks: NewTask[],
): Promise<ReadonlyMap<string, Drain>> {
  const { refused, raised } = await insertTasks(env.DB, tasks);
  const stored = refused.size === 0 ? tasks : tasks.filter((task) => !refused.has(task.id));
  if (stored.length > 0) announce(env, background, stored, raised);
  return refused;
}

/** Stores these tasks only if nobody holds the key; answers what the key's holder has made, null where a lane refuses them. */
export async function storeOnce(
  env: Env,
  background: Background,
  tasks: NewTask[],
  claim: IdempotencyClaim,
): Promise<Remembered | null> {
  const { remembered, raised } = await insertTasks(env.DB, tasks, claim);
  if (remembered?.made === claim.made) announce(env, background, tasks, raised);
  return remembered;
}

/** Stores this task unless another one stands for it; answers the id of the one that does, null where its lane refuses it. */
export async function storeShare(
  env: Env,
  background: Background,
  task: NewTask,
  share: Share,
  now: number,
): Promise<string | null> {
  const id = await storeShared(env.DB, task, await hashed(share), now);
  if (id !== null) announce(env, background, [{ ...task, id }]);
  return id;
}

/** A cache's key is the input itself, which may be long. */
async function hashed(share: Share): Promise<Share> {
  if (share.kind !== "cache") return share;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(share.key));
  return { ...share, key: new Uint8Array(digest).toBase64() };
}

/** `raised`: concurrency keys whose limit these tasks have raised. */
function announce(env: Env, background: Background, tasks: NewTask[], raised: string[] = []): void {
  const queued = Map.groupBy(
    tasks.filter((task) => task.state === "queued"),
    (task) => (task.batch ? "together" : "alone"),
  );
  const due = earliest(tasks.map((task) => task.dueAt));
  background.waitUntil(ringInLine(env, queued.get("alone") ?? [], raised));
  background.waitUntil(ringWhole(env, queued.get("together") ?? []));
  if (due !== null) background.waitUntil(pokeClock(env, due));
}
