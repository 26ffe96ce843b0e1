/** Reads the progress of tasks that are alive, which only their objects know. */

import type { Progress } from "../../core/task.ts";
import { isTerminal } from "../../core/states.ts";
import { OBJECT } from "../../core/wake.ts";
import type { TaskRow } from "../../results/task-row.ts";
import { progressObject } from "./tell.ts";

type Asked = Pick<TaskRow, "id" | "state" | "object">;

/** Objects asked for one list, and how long it waits for them. */
const MAX_ASKED = 50;
const PATIENCE_MS = 1_000;

/** What a task has told last; null where it has ended, has told nothing, or its object does not answer. */
export async function liveProgress(env: Env, { id, state, object }: Asked): Promise<Progress | null> {
  if (isTerminal(state) || !(object & OBJECT.used)) return null;
  try {
    return ((await progressObject(env, id).latestProgress())?.data ?? null) as Progress | null;
  } catch {
    // Progress is not worth a failed answer.
    return null;
  }
}

/** The same of those of a list that run, by their ids: of the first 50 that may have told something, and that answer soon. */
export async function runningProgress(env: Env, rows: readonly Asked[]): Promise<ReadonlyMap<string, Progress>> {
  const found = new Map<string, Progress>();
  const asked = rows.filter(({ state, object }) => state === "running" && object & OBJECT.used).slice(0, MAX_ASKED);
  if (asked.length === 0) return found;
  const answered = asked.map(async (row) => {
    const progress = await liveProgress(env, row);
    if (progress) found.set(row.id, progress);
  });
  await Promise.race([Promise.all(answered), scheduler.wait(PATIENCE_MS)]);
  return found;
}
