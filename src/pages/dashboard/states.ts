/** The states of a task, and what they say. */

import type { TaskResource } from "../../contract/task.ts";

export type State = TaskResource["state"];

export const STATES = [
  "scheduled",
  "queued",
  "waiting",
  "running",
  "retrying",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const satisfies readonly State[];

const ENDED: readonly State[] = ["succeeded", "failed", "cancelled", "expired"];

/** Whether nothing follows this state by itself. */
export function isEnded(state: State): boolean {
  return ENDED.includes(state);
}

/** Whether the verb `retry` runs it again. */
export function canRetry(state: State): boolean {
  return isEnded(state) && state !== "succeeded";
}

/** Whether it may still be changed, held back, or started now: it has not started. */
export function isUnstarted({ state, startedAt }: Pick<TaskResource, "state" | "startedAt">): boolean {
  return startedAt === null && (state === "scheduled" || state === "queued" || state === "waiting");
}

export const LANES = ["high", "default", "bulk", "long"] as const;
