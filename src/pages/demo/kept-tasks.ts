/** The page's memory across reloads: this tab's tasks, with their links, for as long as the tab lives. */

import type { TrackedTask } from "./tracked-task.ts";

const KEY = "lovage.demo.tasks.v1";
const MAX_KEPT = 50;

/** The tasks that this tab had before the reload, oldest first. */
export function restoreTasks(): TrackedTask[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]") as TrackedTask[];
    // The server's next answer tells whether a cancel got through; a second cancel does no harm.
    return kept.map((task) => ({ ...task, cancelRequested: false, reachable: true, refusal: null }));
  } catch {
    return [];
  }
}

/** Keeps the newest of them. */
export function keepTasks(tasks: Iterable<TrackedTask>): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify([...tasks].slice(-MAX_KEPT)));
  } catch {
    // Storage may be switched off or full: then a reload forgets, and nothing else is lost.
  }
}
