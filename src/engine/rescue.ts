/** Ends attempts that were cut off, because their lease ran out; their tasks are queued again, or fail. */

import { DEFAULT_RETRY } from "../core/retry.ts";
import { settle } from "../core/settle.ts";
import type { Undoing } from "../core/undo.ts";
import type { Commit } from "../results/commit-attempts.ts";
import type { DueTask } from "../results/due-tasks.ts";
import { jsonOf } from "../results/task-row.ts";
import { commit } from "./commit.ts";

/** Ends these attempts as crashed, unless their lease was renewed since they were looked at. */
export async function rescue(env: Env, tasks: DueTask[], now: number): Promise<void> {
  if (tasks.length === 0) return;
  await commit(
    env,
    tasks.map((task) => crashOf(task, now)),
  );
}

function crashOf(task: DueTask, now: number): Commit {
  return {
    ...settle({ ...task, undoing: jsonOf<Undoing>(task.undo) }, { outcome: "crashed" }, DEFAULT_RETRY, now, 0),
    id: task.id,
    attempt: task.attempt,
    startedAt: task.startedAt ?? now,
    at: now,
    progress: null,
    object: 0,
    leaseUntil: task.leaseUntil,
    mayRelease: task.mayRelease === 1,
    concurrency: task.concurrency,
    task: task.task,
    tags: task.tags,
  };
}
