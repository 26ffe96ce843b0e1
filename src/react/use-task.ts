/** A task, and what a component may do with it. */

import { useCallback } from "react";
import type { TaskResource } from "../contract/task.ts";
import { ownClient, refOf, useFollowed, type FollowOptions, type SignedTask, type TaskIn } from "./followed.ts";

export interface UsedTask<Task> {
  /** Undefined until something is known of it. */
  task: Task | undefined;
  /** It has succeeded, failed, expired, or was cancelled. */
  isEnded: boolean;
  /** Why no events of it come: its links have ended, or the service cannot be reached, which is tried again. */
  error: Error | undefined;
  /** Cancels the task by its link. Rejects where the service refuses. */
  cancel: (reason?: string) => Promise<void>;
}

/**
 * Follows a task to its end: its state, its progress, its result. All hooks of a page share one connection for a task.
 *
 * @param given What your server answered: the task, or its `id` and signed `links`; null for none.
 *
 * @example
 * const { task, isEnded } = useTask(given);
 * return <p>{isEnded ? task?.state : `${task?.progress?.percent ?? 0} %`}</p>;
 */
export function useTask<Given extends SignedTask>(
  given: Given | null | undefined,
  options: FollowOptions = {},
): UsedTask<TaskIn<Given>> {
  const { task, error } = useFollowed(given, options);
  const cancel = useCallback(
    async (reason?: string) => {
      const { client = ownClient() } = options;
      if (given) await client.cancel(refOf(given), { reason });
    },
    [given?.links.cancel, options.client],
  );
  return { task: task as TaskIn<Given> | undefined, isEnded: hasEnded(task), error, cancel };
}

/** A task that runs again has no `finishedAt`, so it has not ended. */
export function hasEnded(task: TaskResource | undefined): boolean {
  return task !== undefined && task.finishedAt !== null;
}
