/** What a submission writes: all statements that store tasks, or store a debounced submission over one, are made here. */

import type { NewTask } from "./new-task.ts";
import { COLUMN_LIST, type SubmittedMember } from "./task-row.ts";

/** A submission as it is stored, as JSON: the input is left out of the row where it is large. */
export type StoredTask = Required<Omit<NewTask, "secrets">> & { overflow: number };

/** The columns that a submission fills. */
export const SUBMITTED = COLUMN_LIST.filter(({ counts }) => counts !== undefined).map((each) => ({
  ...each,
  value: each.read ?? ((v: string) => `${v}->>'${each.member}'`),
}));

/** Stores a task for each `v` that `from` (SQL) finds; `own`: SQL of values that differ from the submission's. A condition may follow. */
export function insertSql(from: string, own: Partial<Record<SubmittedMember, string>> = {}): string {
  const values = SUBMITTED.map(({ member, value }) => own[member as SubmittedMember] ?? value("v"));
  return `INSERT INTO tasks (${SUBMITTED.map(({ column }) => column).join(", ")}) SELECT ${values.join(", ")} FROM (${from})`;
}

/** Assigns the columns for which the last submission counts: from the SQL in `given`, or else from the JSON object `v`. */
export function lastCounts(v: string, given: Record<string, string>): string {
  return SUBMITTED.filter(({ counts }) => counts === "last")
    .map(({ column, value }) => `${column} = ${given[column] ?? value(v)}`)
    .join(", ");
}
