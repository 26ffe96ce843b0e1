/** The columns that a submission writes: one list for all statements that store tasks, or store a debounced submission over one. */

import type { NewTask } from "./new-task.ts";

/** A submission as it is stored, as JSON: the input is left out of the row where it is large. */
export type StoredTask = Required<Omit<NewTask, "secrets">> & { overflow: number };

interface SubmissionColumn {
  column: string;
  /**
   * Which value holds where a later submission takes over a task that has not started (debounce): the `last` one, or the
   * `first` one for the task's identity and its links to other tasks.
   */
  counts: "first" | "last";
  /** How it is read from the JSON object `v`; as it stands there unless given. */
  read?: (v: string) => string;
}

const first = (column: string): SubmissionColumn => ({ column, counts: "first" });
const last = (column: string): SubmissionColumn => ({ column, counts: "last" });

export const SUBMISSION_COLUMNS: Record<keyof StoredTask, SubmissionColumn> = {
  id: first("id"),
  tenant: first("tenant"),
  task: first("task"),
  lane: last("lane"),
  state: first("state"),
  maxAttempts: last("max_attempts"),
  dueAt: last("due_at"),
  leaseMs: last("lease_ms"),
  createdAt: first("created_at"),
  runAt: last("run_at"),
  expiresAt: last("expires_at"),
  retentionMs: last("retention_ms"),
  parentId: first("parent_id"),
  rootId: first("root_id"),
  flowId: first("flow_id"),
  nodeKey: first("node_key"),
  node: { ...first("node"), read: (v) => `jsonb(${v}->>'node')` },
  waitingFor: first("waiting_for"),
  concurrency: last("concurrency"),
  rates: last("rates"),
  circuit: last("circuit"),
  batch: last("batch"),
  traceparent: last("traceparent"),
  options: last("options"),
  tags: last("tags"),
  object: { ...first("object"), read: (v) => `COALESCE(${v}->>'object', 0)` },
  overflow: last("overflow"),
  input: last("input"),
  sealed: last("sealed"),
};

const all = (Object.entries(SUBMISSION_COLUMNS) as [keyof StoredTask, SubmissionColumn][]).map(([member, each]) => ({
  ...each,
  member,
  value: valueOf(member, each),
}));

function valueOf(member: string, { read }: SubmissionColumn): (v: string) => string {
  return read ?? ((v) => `${v}->>'${member}'`);
}

/** Stores a task for each `v` that `from` (SQL) finds; `own` are values that are not the submission's. A condition may follow. */
export function insertSql(from: string, own: Partial<Record<keyof StoredTask, string>> = {}): string {
  const values = all.map(({ member, value }) => own[member] ?? value("v"));
  return `INSERT INTO tasks (${all.map(({ column }) => column).join(", ")}) SELECT ${values.join(", ")} FROM (${from})`;
}

/** Assigns the columns in which the last submission counts from the JSON object `v`, or from the SQL in `given`. */
export function lastCounts(v: string, given: Record<string, string>): string {
  return all
    .filter(({ counts }) => counts === "last")
    .map(({ column, value }) => `${column} = ${given[column] ?? value(v)}`)
    .join(", ");
}
