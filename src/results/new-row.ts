/** A task that was just stored, as its row, without asking D1 for it. */

import type { NewTask } from "./new-task.ts";
import type { WholeTaskRow } from "./task-row.ts";

export function newRow(task: NewTask): WholeTaskRow {
  return {
    ...task,
    run: 1,
    attempt: 0,
    failures: 0,
    crashes: 0,
    leaseUntil: null,
    startedAt: null,
    finishedAt: null,
    retainUntil: null,
    cancelRequestedAt: null,
    cancelReason: null,
    undo: null,
    object: task.object ?? 0,
    history: null,
    progress: null,
    error: null,
    overflow: 0,
    result: null,
  };
}
