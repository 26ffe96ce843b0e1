/** Reads the progress of tasks that have not ended, which only their progress objects hold. */

import type { Progress } from "../../core/task.ts";
import { isTerminal } from "../../core/states.ts";
import { OBJECT } from "../../core/wake.ts";
import type { TaskRow } from "../../results/task-row.ts";
import { progressObject } from "./tell.ts";

type Asked = Pick<TaskRow, "id" | "state" | "object">;

/** The most objects that are asked for one list, and how long the list waits for them. */
const MAX_ASKED = 50;
const PATIENCE_MS = 1_000;

/** The last progress that a task reported; null where it has ended, has reported none, or its object does not answer. */
export async function liveProgress(env: Env, { id, state, object }: Asked): Promise<Progress | null> {
  if (isTerminal(state) || !(object & OBJECT.used)) return null;
  try {
    return ((await progressObject(env, id).latestProgress())?.data ?? null) as Progress | null;
  } catch {
    // The answer goes without progress rather than failing.
    return null;
  }
}

/** The same for the running tasks of a list, by id: of the first 50 that may have reported progress, those whose objects answer in time. */
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
