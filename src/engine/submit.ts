/** Submits tasks: what was checked is stored, and then rung for. */

import { IDEMPOTENCY_MS } from "../core/bounds.ts";
import { problem, type Problem } from "../core/problems.ts";
import { newRow } from "../results/new-row.ts";
import { readTasks } from "../results/read-tasks.ts";
import type { IdempotencyClaim } from "../results/insert-tasks.ts";
import type { NewTask } from "../results/new-task.ts";
import { readDrains, type Drain } from "../results/lanes/drains.ts";
import type { WholeTaskRow } from "../results/task-row.ts";
import { laneDrains } from "./lanes/drain.ts";
import type { Prepared } from "./prepare.ts";
import { admit, useOf } from "./quota.ts";
import { sealTasks } from "./sealing/tasks.ts";
import { findMade, madeBefore, type Made, type RequestKey } from "./request-key.ts";
import { storeAll, storeOnce, storeShare, type Background } from "./store.ts";
import { storeTogether } from "./store-together.ts";
import { demandStorage } from "./storage.ts";

/** One item's fate. It is its own where this request has made the task, and was not answered with one that another has made. */
export type Submitted = { ok: true; row: WholeTaskRow; isOwn: boolean } | { ok: false; problem: Problem };

export interface Submission {
  items: Submitted[];
  /** The request was a repetition: the items are those of the first one. */
  replayed: boolean;
}

/** Stores the tasks that passed their checks. Throws a 503 problem where they cannot be stored, 429 over the tenant's quota. */
export async function submit(
  env: Env,
  background: Background,
  prepared: Prepared[],
  request: RequestKey | null,
  now: number,
): Promise<Submission> {
  const tasks = prepared.flatMap((each) => (each.ok ? [each.task] : []));
  await sealTasks(env, tasks);
  if (tasks.length === 0) {
    return (await repeat(env, prepared, request, now)) ?? { items: prepared.map(submitted), replayed: false };
  }
  try {
    await demandStorage(env, now);
    await admit(env, tasks[0]!.tenant, useOf(tasks), now);
  } catch (refusal) {
    const earlier = await repeat(env, prepared, request, now);
    if (earlier) return earlier;
    throw refusal;
  }
  if (prepared.some((each) => each.ok && each.share)) return submitShared(env, background, prepared, request, now);
  if (request !== null) return submitOnce(env, background, prepared, tasks, request, now);
  const refused = await storePlain(env, background, tasks);
  const items = withoutRefused(prepared, ({ id }) => refused.get(id), now).map(submitted);
  return { items, replayed: false };
}

async function storePlain(env: Env, background: Background, tasks: NewTask[]): Promise<ReadonlyMap<string, Drain>> {
  const [only] = tasks;
  if (only === undefined || tasks.length > 1) return storeAll(env, background, tasks);
  const drain = await storeTogether(env, background, only);
  return new Map(drain === null ? [] : [[only.id, drain]]);
}

function submitted(each: Prepared): Submitted {
  return each.ok ? { ok: true, row: newRow(each.task), isOwn: true } : each;
}

/** The same submissions, where those that a lane refuses have failed for it. */
function withoutRefused(prepared: Prepared[], by: (task: NewTask) => Drain | undefined, now: number): Prepared[] {
  return prepared.map((each): Prepared => {
    const drain = each.ok ? by(each.task) : undefined;
    return drain ? { ok: false, problem: laneDrains(drain, now) } : each;
  });
}

/** Again, without what is refused now: `among` these, or all, what stands in a lane that drains. So the key is nobody's where nothing was stored. */
async function submitAccepted(
  env: Env,
  background: Background,
  prepared: Prepared[],
  request: RequestKey | null,
  now: number,
  among?: ReadonlySet<NewTask>,
): Promise<Submission> {
  const drains = await readDrains(env.DB, now);
  const drainOf = (task: NewTask) =>
    among === undefined || among.has(task) ? drains.find((each) => each.name === task.lane) : undefined;
  const accepted = withoutRefused(prepared, drainOf, now);
  return submit(env, background, accepted, request, now);
}

/** Submissions that share a task are answered with the one that stands for them. */
async function submitShared(
  env: Env,
  background: Background,
  prepared: Prepared[],
  request: RequestKey | null,
  now: number,
): Promise<Submission> {
  // A window may have passed since the first request with this key, so the key comes before it.
  const earlier = await repeat(env, prepared, request, now);
  if (earlier) return earlier;
  const ids = new Map<number, string>();
  const refused = new Set<NewTask>();
  for (const [i, each] of prepared.entries()) {
    if (!each.ok || !each.share) continue;
    const id = await storeShare(env, background, each.task, each.share, now);
    if (id === null) refused.add(each.task);
    else ids.set(i, id);
  }
  if (refused.size > 0) return submitAccepted(env, background, prepared, request, now, refused);
  const plain = prepared.flatMap((each) => (each.ok && !each.share ? [each.task] : []));
  let accepted = prepared;
  if (request === null) {
    const without = await storeAll(env, background, plain);
    accepted = withoutRefused(prepared, ({ id }) => without.get(id), now);
  } else if (prepared.some((each) => each.ok)) {
    const claim = claimOf(prepared, request, now, ids);
    const remembered = await storeOnce(env, background, plain, claim);
    if (remembered === null) return submitAccepted(env, background, prepared, request, now);
    if (remembered.made !== claim.made) return replay(env, prepared, madeBefore(request, remembered));
  }
  const rows = new Map((await readTasks(env.DB, [...ids.values()])).map((row) => [row.id, row]));
  const own = idsOf(prepared);
  const items = accepted.map((each, i): Submitted => {
    const row = rows.get(ids.get(i) ?? "");
    return each.ok && row ? { ok: true, row, isOwn: own.has(row.id) } : submitted(each);
  });
  return { items, replayed: false };
}

async function submitOnce(
  env: Env,
  background: Background,
  prepared: Prepared[],
  tasks: NewTask[],
  request: RequestKey,
  now: number,
): Promise<Submission> {
  const claim = claimOf(prepared, request, now);
  const remembered = await storeOnce(env, background, tasks, claim);
  if (remembered === null) return submitAccepted(env, background, prepared, request, now);
  if (remembered.made !== claim.made) return replay(env, prepared, madeBefore(request, remembered));
  return { items: prepared.map(submitted), replayed: false };
}

/** `shared`: the ids of tasks that stand for others, by their places. */
function claimOf(
  prepared: Prepared[],
  request: RequestKey,
  now: number,
  shared: ReadonlyMap<number, string> = new Map(),
): IdempotencyClaim {
  // Which items were stored, in order; null where one was refused.
  const made = JSON.stringify(prepared.map((each, i) => (each.ok ? (shared.get(i) ?? each.task.id) : null)));
  // Those that share a task are stored already.
  const lanes = prepared.flatMap((each) => (each.ok && !each.share ? [each.task.lane] : []));
  const own = idsOf(prepared);
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

/** The tasks that this request makes, if nobody's stands for them. */
function idsOf(prepared: Prepared[]): ReadonlySet<string> {
  return new Set(prepared.flatMap((each) => (each.ok ? [each.task.id] : [])));
}

/** The answer to a request whose key has made something before; null where it has not. */
async function repeat(
  env: Env,
  prepared: Prepared[],
  request: RequestKey | null,
  now: number,
): Promise<Submission | null> {
  const earlier = await findMade<(string | null)[]>(env, request, now);
  return earlier && replay(env, prepared, earlier);
}

async function replay(env: Env, prepared: Prepared[], earlier: Made<(string | null)[]>): Promise<Submission> {
  return { items: await recall(env, earlier, prepared), replayed: true };
}

/** The tasks that the first request with this key has made, as they are now. */
async function recall(
  env: Env,
  { made: ids, isOwn }: Made<(string | null)[]>,
  prepared: Prepared[],
): Promise<Submitted[]> {
  const rows = await readTasks(
    env.DB,
    ids.filter((id) => id !== null),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id, i): Submitted => {
    const row = id === null ? undefined : byId.get(id);
    if (row) return { ok: true, row, isOwn: isOwn(row.id) };
    const fresh = prepared[i];
    if (id === null && fresh && !fresh.ok) return fresh;
    const detail =
      id === null
        ? "This item was refused when it was first submitted."
        : `The task ${id} that this key has made is gone.`;
    return { ok: false, problem: problem(id === null ? "invalid-body" : "gone", detail) };
  });
}
