/** The table of tasks: the page's only state of them, and the rows that show it. */

import { announce } from "./announce.ts";
import type { Tasks } from "./follower.ts";
import { keepTasks } from "./kept-tasks.ts";
import { stateLabel } from "./state-words.ts";
import { createTaskRow, outcomeWords, type TaskRow } from "./task-row.ts";
import { isSettled, type TrackedTask } from "./tracked-task.ts";

/** The tasks, as the form, the follower and the buttons use them. */
export interface TaskTable extends Tasks {
  add(task: TrackedTask): void;
}

/** Fills `#tasks`; `onCancel` gets the id of the task whose button was pressed. */
export function createTaskTable(onCancel: (id: string) => void): TaskTable {
  const table = document.querySelector<HTMLTableElement>("#tasks")!;
  const body = document.querySelector<HTMLTableSectionElement>("#rows")!;
  const empty = document.querySelector<HTMLElement>("#empty")!;
  const tally = document.querySelector<HTMLElement>("#tally")!;
  const clear = document.querySelector<HTMLButtonElement>("#clear")!;
  const heading = document.querySelector<HTMLElement>("#tasks-title")!;

  const tasks = new Map<string, TrackedTask>();
  const rows = new Map<string, TaskRow>();

  clear.addEventListener("click", () => {
    for (const task of [...tasks.values()].filter(isSettled)) {
      tasks.delete(task.id);
      rows.get(task.id)?.element.remove();
      rows.delete(task.id);
    }
    refresh();
    heading.focus();
  });

  setInterval(() => {
    const now = Date.now();
    for (const task of tasks.values()) rows.get(task.id)?.show(task, now);
  }, 1_000);

  function refresh(): void {
    const settled = [...tasks.values()].filter(isSettled).length;
    const live = tasks.size - settled;
    table.hidden = tasks.size === 0;
    empty.hidden = tasks.size > 0;
    clear.hidden = settled === 0;
    tally.textContent = [live > 0 ? `${live} live` : "", settled > 0 ? `${settled} ended` : ""]
      .filter(Boolean)
      .join(", ");
    keepTasks(tasks.values());
  }

  return {
    get: (id) => tasks.get(id),
    add(task) {
      const row = createTaskRow(task, () => onCancel(task.id));
      tasks.set(task.id, task);
      rows.set(task.id, row);
      row.show(task, Date.now());
      body.prepend(row.element);
      refresh();
    },
    change(id, step) {
      const before = tasks.get(id);
      const after = before && step(before);
      if (before === undefined || after === undefined || after === before) return;
      tasks.set(id, after);
      rows.get(id)?.show(after, Date.now());
      refresh();
      announce(changeWords(before, after));
    },
  };
}

/** The words of a change for screen readers; progress is not announced, because it changes too often. */
function changeWords(before: TrackedTask, after: TrackedTask): string {
  if (after.lost !== null) return `${after.name}: ${after.lost}`;
  if (after.refusal !== null && after.refusal !== before.refusal) return `${after.name}: ${after.refusal}`;
  if (before.reachable && !after.reachable) return `${after.name}: connection lost, reconnecting`;
  if (before.state !== after.state)
    return [`${after.name}: ${stateLabel(after.state)}`, outcomeWords(after)].filter(Boolean).join(". ");
  return "";
}
