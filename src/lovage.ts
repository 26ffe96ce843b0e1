/** What an application imports: how it defines its tasks, and what its Worker exports. */

export { Clock } from "./clock/object.ts";
export { defineTask } from "./core/define-task.ts";
export type { TaskContext, TaskDefinition, InputOf, OutputOf } from "./core/define-task.ts";
export { NonRetryableError, RetryAfterError } from "./core/errors.ts";
export { createLovage } from "./create-lovage.ts";
export { getTask, submitTask } from "./engine/call.ts";
export type { Application } from "./engine/registry.ts";
export { ProgressObject } from "./progress/object.ts";
export { AttemptObject } from "./worker/attempt-object.ts";
export { RateObject } from "./worker/rate-object.ts";
