/** The errors that `wait` throws for a task or a flow that did not succeed. */

import type { FlowResource } from "../contract/flow.ts";
import type { TaskResource } from "../contract/task.ts";

/** A task has ended without a result. */
export class TaskEndedError extends Error {
  override readonly name: string = "TaskEndedError";
  /** The task as it ended; `task.error` says why. */
  readonly task: TaskResource;
  constructor(task: TaskResource) {
    super(`${task.task} ${task.id} ${task.state}: ${task.error?.message ?? "no reason given"}`);
    this.task = task;
  }
}

/** No attempt is left, or the error forbids another. */
export class TaskFailedError extends TaskEndedError {
  override readonly name = "TaskFailedError";
}

/** The task was cancelled. */
export class TaskCancelledError extends TaskEndedError {
  override readonly name = "TaskCancelledError";
}

/** The task had not started by its expiry. */
export class TaskExpiredError extends TaskEndedError {
  override readonly name = "TaskExpiredError";
}

/** A flow has failed or was cancelled; `flow.error` says which of its tasks caused it. */
export class FlowEndedError extends Error {
  override readonly name = "FlowEndedError";
  readonly flow: FlowResource;
  constructor(flow: FlowResource) {
    super(`${flow.id} ${flow.state}: ${flow.error?.message ?? "no reason given"}`);
    this.flow = flow;
  }
}

/** The task had not ended when the time to wait was up; it goes on. */
export class WaitTimeoutError extends Error {
  override readonly name = "WaitTimeoutError";
}

/** The error for a task in this state, which is not `succeeded`. */
export function endedError(task: TaskResource): TaskEndedError {
  if (task.state === "cancelled") return new TaskCancelledError(task);
  return task.state === "expired" ? new TaskExpiredError(task) : new TaskFailedError(task);
}
