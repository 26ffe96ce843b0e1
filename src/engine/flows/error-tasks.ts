/** The tasks that run when a flow fails. */

import { newTaskIds } from "../ids.ts";

/**
 * These tasks (JSON text of a list) with fresh ids: a flow that fails again runs them again as new tasks, because the old
 * ones keep their history.
 */
export function withFreshIds(errorTasks: string): string {
  const ids = [...new Set(errorTasks.match(/task_[0-9a-z]{26}/g))];
  const own = new Set((JSON.parse(errorTasks) as { id: string }[]).map((task) => task.id));
  const fresh = newTaskIds(own.size);
  const renamed = new Map(
    ids
      .filter((id) => own.has(id))
      .toSorted()
      .map((id, i) => [id, fresh[i]!]),
  );
  return errorTasks.replaceAll(/task_[0-9a-z]{26}/g, (id) => renamed.get(id) ?? id);
}
