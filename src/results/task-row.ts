/** A task as it lies in D1. JSON columns stay text until they are needed; instants are ms since the epoch. */

import type { State } from "../core/states.ts";
import type { AttemptRecord, Lived } from "../core/timeline.ts";

export interface TaskRow {
  id: string;
  tenant: string;
  task: string;
  lane: string;
  state: State;
  run: number;
  attempt: number;
  failures: number;
  crashes: number;
  maxAttempts: number;
  dueAt: number | null;
  leaseUntil: number | null;
  leaseMs: number | null;
  createdAt: number;
  runAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  expiresAt: number | null;
  retentionMs: number;
  retainUntil: number | null;
  cancelRequestedAt: number | null;
  cancelReason: string | null;
  /** JSON text of an {@link Undoing}; null unless its steps are being undone. */
  undo: string | null;
  object: number;
  parentId: string | null;
  rootId: string | null;
  flowId: string | null;
  nodeKey: string | null;
  traceparent: string | null;
  options: string | null;
  tags: string | null;
  waitingFor: string | null;
  history: string | null;
  progress: string | null;
  error: string | null;
  overflow: number;
}

/** A row with both payloads, wherever they lie. */
export interface WholeTaskRow extends TaskRow {
  input: string | null;
  result: string | null;
}

/** Bits of `overflow`. */
export const OVERFLOW = { input: 1, result: 2 } as const;

const NAMES: Record<keyof TaskRow, string> = {
  id: "id",
  tenant: "tenant",
  task: "task",
  lane: "lane",
  state: "state",
  run: "run",
  attempt: "attempt",
  failures: "failures",
  crashes: "crashes",
  maxAttempts: "max_attempts",
  dueAt: "due_at",
  leaseUntil: "lease_until",
  leaseMs: "lease_ms",
  createdAt: "created_at",
  runAt: "run_at",
  startedAt: "started_at",
  finishedAt: "finished_at",
  expiresAt: "expires_at",
  retentionMs: "retention_ms",
  retainUntil: "retain_until",
  cancelRequestedAt: "cancel_requested_at",
  cancelReason: "cancel_reason",
  undo: "undo",
  object: "object",
  parentId: "parent_id",
  rootId: "root_id",
  flowId: "flow_id",
  nodeKey: "node_key",
  traceparent: "traceparent",
  options: "options",
  tags: "tags",
  waitingFor: "waiting_for",
  history: "history",
  progress: "progress",
  error: "error",
  overflow: "overflow",
};

/** The columns of {@link TaskRow} for a SELECT from `tasks`. */
export const TASK_COLUMNS = Object.entries(NAMES)
  .map(([name, column]) => (name === column ? `tasks.${column}` : `tasks.${column} AS ${name}`))
  .join(", ");

/** The columns of {@link WholeTaskRow}: payloads are fetched from where they lie. */
export const WHOLE_TASK_COLUMNS = `${TASK_COLUMNS},
  ${payload("input", OVERFLOW.input)}, ${payload("result", OVERFLOW.result)}`;

function payload(kind: "input" | "result", bit: number): string {
  return `CASE WHEN tasks.overflow & ${bit}
    THEN (SELECT body FROM payloads WHERE task_id = tasks.id AND kind = '${kind}')
    ELSE tasks.${kind} END AS ${kind}`;
}

export function historyOf(row: Pick<TaskRow, "history">): AttemptRecord[] {
  return row.history === null ? [] : (JSON.parse(row.history) as AttemptRecord[]);
}

/** What the timeline reads. */
export function livedOf(row: TaskRow): Lived {
  return { ...row, history: historyOf(row) };
}

/** A JSON column as its value, null where it holds none. */
export function jsonOf<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}
