/** Answers a repeated request, which is known by its key, with what the first one has made. */

import { problem } from "../core/problems.ts";
import { readTasks } from "../results/read-tasks.ts";
import type { Prepared } from "./prepare.ts";
import { findMade, type Made, type RequestKey } from "./request-key.ts";
import type { Answer, Submitted } from "./submitted.ts";

/** The answer to a repeated request; null where this is the first one with its key, or it has no key. */
export async function recall(
  env: Env,
  prepared: readonly Prepared[],
  request: RequestKey | null,
  now: number,
): Promise<Answer | null> {
  const earlier = await findMade<(string | null)[]>(env, request, now);
  return earlier && answerAgain(env, prepared, earlier);
}

/** The tasks that the first request with this key has made, as they are now. */
export async function answerAgain(
  env: Env,
  prepared: readonly Prepared[],
  { made: ids, isOwn }: Made<(string | null)[]>,
): Promise<Answer> {
  const rows = await readTasks(
    env.DB,
    ids.filter((id) => id !== null),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const items = ids.map((id, i): Submitted => {
    const row = id === null ? undefined : byId.get(id);
    if (row) return { ok: true, row, isOwn: isOwn(row.id) };
    const fresh = prepared[i];
    if (id === null && fresh && !fresh.ok) return fresh;
    const detail =
      id === null
        ? "This item was refused when it was first submitted."
        : `The task ${id} that the first request with this key made no longer exists.`;
    return { ok: false, problem: problem(id === null ? "invalid-body" : "gone", detail) };
  });
  return { items, replayed: true };
}
