/** Submits tasks: what was checked is stored, and then rung for. */

import { IDEMPOTENCY_MS } from "../core/limits.ts";
import { ProblemError, problem, type Problem } from "../core/problems.ts";
import { newRow } from "../results/new-row.ts";
import { readTasks } from "../results/read-tasks.ts";
import { readRemembered, type IdempotencyClaim, type NewTask, type Remembered } from "../results/insert-tasks.ts";
import type { WholeTaskRow } from "../results/task-row.ts";
import type { Prepared } from "./prepare.ts";
import { admit } from "./quota.ts";
import { storeAll, storeOnce, storeOne, storeShare, type Background } from "./store.ts";

/** The caller's name for a request, so that repeating it makes nothing twice. */
export interface RequestKey {
  tenant: string;
  key: string;
  /** Of the request's path and body. */
  fingerprint: string;
}

/** One item's fate. */
export type Submitted = { ok: true; row: WholeTaskRow } | { ok: false; problem: Problem };

export interface Submission {
  items: Submitted[];
  /** The request was a repetition: the items are those of the first one. */
  replayed: boolean;
}

/** Stores the tasks that passed their checks. Throws a 503 problem when they could not be stored, 429 over the tenant's quota. */
export async function submit(
  env: Env,
  background: Background,
  prepared: Prepared[],
  request: RequestKey | null,
  now: number,
): Promise<Submission> {
  const tasks = prepared.flatMap((each) => (each.ok ? [each.task] : []));
  if (tasks.length > 0) await admit(env, tasks[0]!.tenant, tasks.length, now);
  if (prepared.some((each) => each.ok && each.share)) return submitShared(env, background, prepared, request, now);
  if (request !== null && tasks.length > 0) return submitOnce(env, background, prepared, tasks, request, now);
  if (tasks.length === 1) await storeOne(env, background, tasks[0]!);
  else await storeAll(env, background, tasks);
  const items = prepared.map((each): Submitted => (each.ok ? { ok: true, row: newRow(each.task) } : each));
  return { items, replayed: false };
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
  const known = request && (await readRemembered(env.DB, request.tenant, request.key, now));
  if (known) return replay(env, prepared, request, known);
  const ids = new Map<number, string>();
  const plain: NewTask[] = [];
  for (const [i, each] of prepared.entries()) {
    if (!each.ok) continue;
    if (each.share) ids.set(i, await storeShare(env, background, each.task, each.share, now));
    else plain.push(each.task);
  }
  if (request === null) {
    await storeAll(env, background, plain);
  } else {
    const claim = claimOf(prepared, request, now, ids);
    const remembered = await storeOnce(env, background, plain, claim);
    if (remembered !== null && remembered.made !== claim.made) return replay(env, prepared, request, remembered);
  }
  const rows = new Map((await readTasks(env.DB, [...ids.values()])).map((row) => [row.id, row]));
  const items = prepared.map((each, i): Submitted => {
    if (!each.ok) return each;
    return { ok: true, row: rows.get(ids.get(i) ?? "") ?? newRow(each.task) };
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
  if (remembered !== null && remembered.made !== claim.made) return replay(env, prepared, request, remembered);
  const items = prepared.map((each): Submitted => (each.ok ? { ok: true, row: newRow(each.task) } : each));
  return { items, replayed: false };
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
  return { ...request, made, now, expiresAt: now + IDEMPOTENCY_MS };
}

/** The answer to a request whose key has made something before. */
async function replay(
  env: Env,
  prepared: Prepared[],
  request: RequestKey,
  remembered: Remembered,
): Promise<Submission> {
  if (remembered.fingerprint !== request.fingerprint) {
    const detail = "This key was used with another body in the last 24 hours. Use a new key for a new request.";
    throw new ProblemError(problem("idempotency-key-reused", detail));
  }
  return { items: await recall(env, JSON.parse(remembered.made) as (string | null)[], prepared), replayed: true };
}

/** The tasks that the first request with this key has made, as they are now. */
async function recall(env: Env, ids: (string | null)[], prepared: Prepared[]): Promise<Submitted[]> {
  const rows = await readTasks(
    env.DB,
    ids.filter((id) => id !== null),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id, i): Submitted => {
    const row = id === null ? undefined : byId.get(id);
    if (row) return { ok: true, row };
    const fresh = prepared[i];
    if (id === null && fresh && !fresh.ok) return fresh;
    const detail =
      id === null
        ? "This item was refused when it was first submitted."
        : `The task ${id} that this key has made is gone.`;
    return { ok: false, problem: problem(id === null ? "invalid-body" : "gone", detail) };
  });
}
