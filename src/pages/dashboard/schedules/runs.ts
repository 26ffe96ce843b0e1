/** The latest runs of a schedule, from the schedule and its tasks. Pure. */

import type { ScheduleResource } from "../../../contract/schedule.ts";
import type { TaskResource } from "../../../contract/task.ts";

/** The most runs that are shown. */
export const MOST = 20;

interface Run {
  at: string;
  taskId: string | null;
  /** Why it was missed; what became of its task otherwise. */
  words: string;
  state: string;
}

/** The schedule lists its latest ten ticks, also those that made no task; the earlier ones come from its tasks. */
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
