/** Tasks as a tree: each below the task that made it. Pure. */

import type { TaskResource } from "../../../contract/task.ts";

export interface Branch {
  task: TaskResource;
  /** How many of its ancestors are among the rows. */
  depth: number;
}

/** Every row once: a task directly before those that it has made, oldest first. A task whose parent is not among the rows has depth 0. */
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
