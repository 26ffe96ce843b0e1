/** The latest runs of a schedule, out of what is told of it and of its tasks. Pure. */

import type { ScheduleResource } from "../../../contract/schedule.ts";
import type { TaskResource } from "../../../contract/task.ts";

/** So many are shown. */
export const MOST = 20;

interface Run {
  at: string;
  taskId: string | null;
  /** Why it was missed; what became of its task otherwise. */
  words: string;
  state: string;
}

/** The schedule tells of its latest ten ticks, also of those that made no task; its tasks tell of those before. */
export function runsOf(lastRuns: ScheduleResource["lastRuns"], tasks: readonly TaskResource[]): Run[] {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const ticks = lastRuns.map(({ tick, taskId, missed = "" }): Run => {
    const state = taskId === null ? "missed" : (byId.get(taskId)?.state ?? "unknown");
    return { at: tick, taskId, state, words: taskId === null ? `missed: ${missed}` : state };
  });
  const told = new Set(lastRuns.map(({ taskId }) => taskId));
  const others = tasks
    .filter(({ id }) => !told.has(id))
    .map(({ id, createdAt, state }): Run => ({ at: createdAt, taskId: id, state, words: state }));
  return [...ticks, ...others].toSorted((a, b) => (a.at < b.at ? -1 : 1)).slice(-MOST);
}
