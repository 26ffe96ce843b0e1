/** A task as it lies in D1. JSON columns stay text until they are needed; instants are ms since the epoch. */

import type { State } from "../core/states.ts";
import type { AttemptRecord, Lived } from "../core/timeline.ts";
import { OBJECT } from "../core/wake.ts";

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
  /** Since when it is held back by hand, before its first start. */
  pausedAt: number | null;
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

/** All columns of a task. The rest is looked at by statements alone, or fetched where it is needed. */
export interface TaskColumns extends TaskRow {
  /** JSON text of a {@link FlowNode}. */
  node: string | null;
  /** JSON text of its {@link KeyLimit}s. */
  concurrency: string | null;
  /** JSON text of its {@link Rate}s. */
  rates: string | null;
  /** JSON text of its {@link Circuit}. */
  circuit: string | null;
  /** JSON text of `size` and `wait` (ms) of its batch. */
  batch: string | null;
  /** JSON text, without what is secret in it; null where the submission gave none, or where it lies beside the row. */
  input: string | null;
  /** What is secret in it, sealed; null: nothing is. */
  sealed: string | null;
  /** The same of its result. */
  result: string | null;
  sealedResult: string | null;
  /** Of one that has failed: the group of its error. */
  errorGroup: string | null;
  /** 1: a running attempt that was asked to stop undoes its steps. */
  cancelUndo: number;
  /** Names the claim that took it, or the call that has begun its run. */
  holder: string | null;
  /** Signals ever delivered to it. */
  signals: number;
  /** JSON array of the ids of tasks that its handler has spawned. */
  children: string | null;
}

/** A row with both payloads, wherever they lie. */
export type WholeTaskRow = TaskRow & Pick<TaskColumns, "input" | "result">;

/** Bits of `overflow`. */
export const OVERFLOW = { input: 1, result: 2 } as const;

/** A column of `tasks`. */
export interface Column {
  column: string;
  /** Not a member of {@link TaskRow}. */
  isUnread?: true;
  /**
   * A submission fills it. Which value holds where a later submission takes over a task that has not started (debounce): the
   * `last` one, or the `first` one for the task's identity and its links to other tasks.
   */
  counts?: "first" | "last";
  /** How that is read from the JSON object `v`; as it stands there unless given. */
  read?: (v: string) => string;
  /** Its value in a new row, where no submission fills it. */
  initial?: number | null;
  /** What a new run sets it to, as SQL. Absent: it stays, or each statement that begins a run sets it. */
  reset?: string;
}

const first = (column: string) => ({ column, counts: "first" }) as const;
const last = (column: string) => ({ column, counts: "last" }) as const;
const unread = { isUnread: true } as const;
/** Null until a run fills it, and again in the next run. */
const ofRun = (column: string) => ({ column, initial: null, reset: "NULL" }) as const;

/** The one list of a task's columns: every SELECT, every INSERT, and what a new run resets are made from it. */
export const COLUMNS = {
  id: first("id"),
  tenant: first("tenant"),
  task: first("task"),
  lane: last("lane"),
  state: first("state"),
  run: { column: "run", initial: 1, reset: "run + 1" },
  attempt: { column: "attempt", initial: 0 },
  failures: { column: "failures", initial: 0, reset: "0" },
  crashes: { column: "crashes", initial: 0, reset: "0" },
  maxAttempts: last("max_attempts"),
  dueAt: last("due_at"),
  pausedAt: ofRun("paused_at"),
  leaseUntil: ofRun("lease_until"),
  leaseMs: last("lease_ms"),
  createdAt: first("created_at"),
  runAt: last("run_at"),
  startedAt: { column: "started_at", initial: null },
  finishedAt: ofRun("finished_at"),
  expiresAt: { ...last("expires_at"), reset: "NULL" },
  retentionMs: last("retention_ms"),
  retainUntil: ofRun("retain_until"),
  cancelRequestedAt: ofRun("cancel_requested_at"),
  cancelReason: ofRun("cancel_reason"),
  cancelUndo: { column: "cancel_undo", ...unread, reset: "0" },
  undo: ofRun("undo"),
  object: {
    ...first("object"),
    read: (v) => `COALESCE(${v}->>'object', 0)`,
    reset: `object & ~${OBJECT.undo | OBJECT.awaited}`,
  },
  parentId: first("parent_id"),
  rootId: first("root_id"),
  flowId: first("flow_id"),
  nodeKey: first("node_key"),
  node: { ...first("node"), ...unread, read: (v) => `jsonb(${v}->>'node')` },
  waitingFor: first("waiting_for"),
  concurrency: { ...last("concurrency"), ...unread },
  rates: { ...last("rates"), ...unread },
  circuit: { ...last("circuit"), ...unread },
  batch: { ...last("batch"), ...unread },
  traceparent: last("traceparent"),
  options: last("options"),
  tags: last("tags"),
  history: { column: "history", initial: null },
  progress: ofRun("progress"),
  error: ofRun("error"),
  errorGroup: { column: "error_group", ...unread, reset: "NULL" },
  overflow: { ...last("overflow"), reset: `overflow & ~${OVERFLOW.result}` },
  input: { ...last("input"), ...unread },
  sealed: { ...last("sealed"), ...unread },
  result: { ...ofRun("result"), ...unread },
  sealedResult: { column: "sealed_result", ...unread, reset: "NULL" },
  holder: { column: "holder", ...unread },
  signals: { column: "signals", ...unread },
  children: { column: "children", ...unread },
} as const satisfies Record<keyof TaskColumns, Column>;

/** The members of a row that a submission fills. */
export type SubmittedMember = {
  [Member in keyof typeof COLUMNS]: (typeof COLUMNS)[Member] extends { counts: string } ? Member : never;
}[keyof typeof COLUMNS];

export const COLUMN_LIST: readonly (Column & { member: keyof TaskColumns })[] = (
  Object.entries(COLUMNS) as [keyof TaskColumns, Column][]
).map(([member, column]) => ({ member, ...column }));

/** The columns of {@link TaskRow} for a SELECT from `tasks`. */
export const TASK_COLUMNS = COLUMN_LIST.filter(({ isUnread }) => !isUnread)
  .map(({ member, column }) => (member === column ? `tasks.${column}` : `tasks.${column} AS ${member}`))
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

/** How many of its latest attempts in a row were put off because the deployment could not run it. */
export function triedInVain(row: Pick<TaskRow, "history">): number {
  return historyOf(row).at(-1)?.inVain ?? 0;
}

/** What the timeline reads. */
export function livedOf(row: TaskRow): Lived {
  return { ...row, history: historyOf(row) };
}

/** A JSON column as its value, null where it holds none. */
export function jsonOf<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}
