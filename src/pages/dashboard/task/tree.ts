/** Tasks below those that have made them. Pure. */

import type { TaskResource } from "../../../contract/task.ts";

export interface Branch {
  task: TaskResource;
  /** How many of the tasks that it goes back to are among the rows. */
  depth: number;
}

/** Every row once: a task right before those that it has made, oldest first. One whose maker is not there stands at the edge. */
export function treeOf(rows: readonly TaskResource[]): Branch[] {
  const known = new Set(rows.map(({ id }) => id));
  const sorted = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const made = Map.groupBy(sorted, ({ id, parentId }) =>
    parentId !== null && parentId !== id && known.has(parentId) ? parentId : null,
  );
  const found: Branch[] = [];
  const left = (made.get(null) ?? []).toReversed().map((task) => ({ task, depth: 0 }));
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    found.push(next);
    const { task, depth } = next;
    for (const child of (made.get(task.id) ?? []).toReversed()) left.push({ task: child, depth: depth + 1 });
  }
  return found;
}
