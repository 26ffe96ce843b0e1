/** A list that holds still while the user looks at one of its rows. Pure. */

import type { TaskResource } from "../../../contract/task.ts";

export interface LiveList {
  rows: readonly TaskResource[];
  /** The number of new tasks that are not shown. */
  waiting: number;
}

/**
 * What is shown after another reading. A list that is held keeps its rows and their order, and shows what became of the
 * tasks in them; one that is not held is the reading.
 */
export function afterReading(shown: readonly TaskResource[], read: readonly TaskResource[], isHeld: boolean): LiveList {
  if (!isHeld || shown.length === 0) return { rows: read, waiting: 0 };
  const fresh = new Map(read.map((task) => [task.id, task]));
  const known = new Set(shown.map((task) => task.id));
  const newest = shown[0]!.createdAt;
  return {
    rows: shown.map((task) => fresh.get(task.id) ?? task),
    waiting: read.filter((task) => !known.has(task.id) && task.createdAt >= newest).length,
  };
}
