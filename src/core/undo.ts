/**
 * Undoing: before a task ends badly, the steps that it has completed are undone, in an attempt of its
 * own. Meanwhile its row holds the end that it will come to.
 */

import type { TaskError } from "./errors.ts";

/** The end that a task comes to once its steps are undone. */
export interface Undoing {
  state: "failed" | "cancelled";
  error: TaskError;
}

/** What could not be undone, and why. `step` is null where it was the undoing as a whole that failed. */
export interface UndoFailure {
  step: string | null;
  error: TaskError;
}

/** How many failures are listed, and how many characters of each message: a row holds two megabytes. */
const MAX_TOLD = 50;
const MAX_MESSAGE = 500;

/** The task's own error; what could not be undone is told in its `data.undo`. */
export function errorAfterUndo({ error }: Undoing, failures: readonly UndoFailure[]): TaskError {
  if (failures.length === 0) return error;
  const undo = failures.slice(0, MAX_TOLD).map(({ step, error: { type, message } }) => ({
    step,
    error: { type, message: message.slice(0, MAX_MESSAGE) },
  }));
  const { data } = error;
  const own = typeof data === "object" && data !== null && !Array.isArray(data) ? data : { data };
  return { ...error, data: data === undefined ? { undo } : { ...own, undo } };
}
