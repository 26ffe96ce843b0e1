/** What tasks, schedules and flows are written with; it needs no platform. */

export { chain, chord, group, map, nodesOf, task } from "./contract/build-flow.ts";
export { dag } from "./contract/flow-dag.ts";
export { from, previous } from "./contract/flow-reference.ts";
export type { DeclaredSchedule } from "./contract/schedule.ts";
export type { InputOf, OutputOf, TaskOf, Tasks } from "./contract/typed-task.ts";
export { defineTask } from "./core/define-task.ts";
export {
  AttemptAborted,
  ChildFailedError,
  NonRetryableError,
  RetryAfterError,
  SignalTimeoutError,
  StepMismatchError,
} from "./core/errors.ts";
export { ProblemError } from "./core/problems.ts";
export type { TaskContext, TaskDefinition } from "./core/task.ts";
