/** What an application imports: what it defines tasks with, what its routes call, and what its Worker exports. */

export { createLovage } from "./create-lovage.ts";
export type { Application } from "./engine/registry.ts";

export { defineTask } from "./core/define-task.ts";
export type { InputOf, OutputOf, TaskContext, TaskDefinition } from "./core/task.ts";
export {
  AttemptAborted,
  ChildFailedError,
  NonRetryableError,
  RetryAfterError,
  SignalTimeoutError,
  StepMismatchError,
} from "./core/errors.ts";

export { getTask, submitFlow, submitTask } from "./engine/call.ts";
export type { Caller } from "./engine/call.ts";
export { isTaskId } from "./engine/ids.ts";
export { LINK_TTL, signLinks, SYSTEM } from "./engine/keys/links.ts";

export { Clock } from "./clock/object.ts";
export { ProgressObject } from "./progress/object.ts";
export { AttemptObject } from "./worker/attempt-object.ts";
export { RateObject } from "./worker/rate-object.ts";
