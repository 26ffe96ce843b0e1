/** Submits tasks that passed their checks: recall → take in → share → store → answer. */

import { IDEMPOTENCY_MS } from "../core/bounds.ts";
import type { IdempotencyClaim } from "../results/idempotency.ts";
import { drainsAmong, readLanes, type Drain } from "../results/lanes/lanes.ts";
import { newRow } from "../results/new-row.ts";
import type { NewTask } from "../results/new-task.ts";
import { readTasks } from "../results/read-tasks.ts";
import { laneDrains } from "./lanes/drain.ts";
import type { Prepared } from "./prepare.ts";
import { answerAgain, recall } from "./recall.ts";
import { madeBefore, type RequestKey } from "./request-key.ts";
import { storeAll, storeOnce, storeShare, type Background } from "./store.ts";
import { storeTogether } from "./store-together.ts";
import type { Answer, Submitted } from "./submitted.ts";
import { storeCounted, takeIn } from "./take-in.ts";

/** For items that share a task (debounce, throttle, cache): the id of that task, by the item's index. */
type Shared = ReadonlyMap<number, string>;

/** Stores the tasks that passed their checks. Throws a 503 problem where they cannot be stored, 429 over the tenant's quota. */
export async function submit(
  env: Env,
  background: Background,
  prepared: Prepared[],
  request: RequestKey | null,
  now: number,
): Promise<Answer> {
  const tasks = prepared.flatMap((each) => (each.ok ? [each.task] : []));
  const refusal = await whyNotIn(env, tasks, now);
  if (refusal !== null) {
    const earlier = await recall(env, prepared, request, now);
    if (earlier) return earlier;
    throw refusal.error;
  }
  let made: ReadonlySet<string> | undefined;
  const store = async () => {
    // Items that share a task are stored before the key is looked for, and since the first request their window may have closed.
    if (tasks.length === 0 || prepared.some((each) => each.ok && each.share)) {
      const earlier = await recall(env, prepared, request, now);
      if (earlier) return earlier;
    }
    const { items, shared } = await shareAll(env, background, prepared, now);
    return request === null
      ? storeNew(env, background, items, shared, now)
      : storeForKey(env, background, items, shared, request, now);
  };
  return storeCounted(tasks, store, (answered, { id }) => (made ??= madeBy(answered)).has(id));
}

/** The ids of the tasks that this request has made. */
function madeBy({ items, replayed }: Answer): ReadonlySet<string> {
  return new Set(replayed ? [] : items.flatMap((each) => (each.ok && each.isOwn ? [each.row.id] : [])));
}

/** Why these tasks are not let in now; null: they are. The caller throws it only if no earlier request had the same key. */
async function whyNotIn(env: Env, tasks: NewTask[], now: number): Promise<{ error: unknown } | null> {
  try {
    if (tasks.length > 0) await takeIn(env, tasks[0]!.tenant, tasks, now);
    return null;
  } catch (error) {
    return { error };
  }
}

/** Finds or stores the task of each item that shares one. An item that its lane refuses gets a problem. */
async function shareAll(
  env: Env,
  background: Background,
  prepared: Prepared[],
  now: number,
): Promise<{ items: Prepared[]; shared: Shared }> {
  const shared = new Map<number, string>();
  let items = prepared;
  for (;;) {
    const refused = new Set<NewTask>();
    for (const [i, each] of items.entries()) {
      if (!each.ok || !each.share || shared.has(i)) continue;
      const id = await storeShare(env, background, each.task, each.share, now);
      if (id === null) refused.add(each.task);
      else shared.set(i, id);
    }
    if (refused.size === 0) return { items, shared };
    items = await refuseDrained(env, items, refused, now);
  }
}

/** Stores the items that share no task. Each task is stored or refused by itself. */
async function storeNew(
  env: Env,
  background: Background,
  items: Prepared[],
  shared: Shared,
  now: number,
): Promise<Answer> {
  const refused = await storePlain(env, background, plainOf(items, shared));
  return answer(
    env,
    refuse(items, ({ id }) => refused.get(id), now),
    shared,
  );
}

async function storePlain(env: Env, background: Background, tasks: NewTask[]): Promise<ReadonlyMap<string, Drain>> {
  const [only] = tasks;
  if (only === undefined || tasks.length > 1) return storeAll(env, background, tasks);
  const drain = await storeTogether(env, background, only);
  return new Map(drain === null ? [] : [[only.id, drain]]);
}

/**
 * Stores the items that share no task together with the key, all or nothing: an item that a lane refuses gets its problem before
 * the others are stored. So no request holds the key where nothing was stored.
 */
async function storeForKey(
  env: Env,
  background: Background,
  given: Prepared[],
  shared: Shared,
  request: RequestKey,
  now: number,
): Promise<Answer> {
  let items = given;
  while (items.some((each) => each.ok)) {
    const plain = plainOf(items, shared);
    const claim = claimOf(items, request, now, shared);
    const remembered = await storeOnce(env, background, plain, claim);
    if (remembered?.made === claim.made) return answer(env, items, shared);
    if (remembered !== null) return answerAgain(env, items, madeBefore(request, remembered));
    items = await refuseDrained(env, items, new Set(plain), now);
  }
  return (await recall(env, items, request, now)) ?? answer(env, items, shared);
}

/** The tasks of items that share none. */
function plainOf(items: Prepared[], shared: Shared): NewTask[] {
  return items.flatMap((each, i) => (each.ok && !shared.has(i) ? [each.task] : []));
}

/** The same items; those of the tasks `among` whose lane drains now have its problem. */
async function refuseDrained(
  env: Env,
  items: Prepared[],
  among: ReadonlySet<NewTask>,
  now: number,
): Promise<Prepared[]> {
  const drains = drainsAmong(await readLanes(env.DB), now);
  return refuse(items, (task) => (among.has(task) ? drains.find((each) => each.name === task.lane) : undefined), now);
}

/** The same items; those that a lane refuses have its problem. */
function refuse(items: Prepared[], by: (task: NewTask) => Drain | undefined, now: number): Prepared[] {
  return items.map((each): Prepared => {
    const drain = each.ok ? by(each.task) : undefined;
    return drain ? { ok: false, problem: laneDrains(drain, now) } : each;
  });
}

function claimOf(items: Prepared[], request: RequestKey, now: number, shared: Shared): IdempotencyClaim {
  // Which items were stored, in order; null where one was refused.
  const made = JSON.stringify(items.map((each, i) => (each.ok ? (shared.get(i) ?? each.task.id) : null)));
  const lanes = plainOf(items, shared).map((task) => task.lane);
  const own = idsOf(items);
  const others = [...shared.values()].filter((id) => !own.has(id));
  return {
    ...request,
    made,
    others: others.length > 0 ? JSON.stringify(others) : null,
    now,
    expiresAt: now + IDEMPOTENCY_MS,
    lanes: [...new Set(lanes)],
  };
}

/** The ids that the items' tasks have if this request makes them. */
function idsOf(items: Prepared[]): ReadonlySet<string> {
  return new Set(items.flatMap((each) => (each.ok ? [each.task.id] : [])));
}

/** Reads the tasks that items share; the other items are answered as they were stored. */
async function answer(env: Env, items: Prepared[], shared: Shared): Promise<Answer> {
  const found = shared.size === 0 ? [] : await readTasks(env.DB, [...shared.values()]);
  const rows = new Map(found.map((row) => [row.id, row]));
  const own = idsOf(items);
  const submitted = items.map((each, i): Submitted => {
    if (!each.ok) return each;
    const row = rows.get(shared.get(i) ?? "");
    return row ? { ok: true, row, isOwn: own.has(row.id) } : { ok: true, row: newRow(each.task), isOwn: true };
  });
  return { items: submitted, replayed: false };
}
