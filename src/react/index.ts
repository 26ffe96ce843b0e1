/** `lovage/react`: hooks for pages that show tasks. For React 18 and later, and for Preact by its `preact/compat`. */

export type { FollowOptions, SignedTask, TaskIn } from "./followed.ts";
export { useOutput, type UsedOutput } from "./use-output.ts";
export { useSubmit, type UsedSubmit } from "./use-submit.ts";
export { useTask, type UsedTask } from "./use-task.ts";
