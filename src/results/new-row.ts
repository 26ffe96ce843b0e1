/** A task that was just stored, as its row, without asking D1 for it. */

import type { NewTask } from "./new-task.ts";
import { COLUMN_LIST, type WholeTaskRow } from "./task-row.ts";

const INITIAL = Object.fromEntries(
  COLUMN_LIST.filter(({ initial }) => initial !== undefined).map(({ member, initial }) => [member, initial]),
) as Omit<WholeTaskRow, keyof NewTask>;

export function newRow(task: NewTask): WholeTaskRow {
  return { ...INITIAL, ...task, object: task.object ?? 0, overflow: 0 };
}
