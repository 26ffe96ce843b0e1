/** What is told to a task's progress object. */

import type { TaskEvent } from "../contract/event.ts";
import type { TaskResource } from "../contract/task.ts";
import type { TaskError } from "../core/errors.ts";
import type { Moment } from "../core/timeline.ts";

/** How a task stands by its row. Telling the same one again, or an old one, changes nothing. */
export interface Snapshot {
  id: string;
  moments: Moment[];
  /** The task as it ended, or null while it is alive. `at` is ms since the epoch. */
  ended: { at: number; task: TaskResource } | null;
}

/** An event that has no number yet. */
export type NewEvent = Omit<TaskEvent, "seq">;

/** What a running attempt has to tell. */
export interface Report {
  snapshot: Snapshot;
  events: NewEvent[];
  /** The attempt has nothing more to tell: keep all of it now. */
  last: boolean;
}

/** What a durable task has done, or has begun to wait for. */
export interface JournalEntry {
  /** Kind, name and how often the name came before: `step:charge#1`. */
  key: string;
  /** The number of the attempt that wrote it. */
  attempt: number;
  /** Places in the order of beginnings and ends of the run's entries; no end: it is still waited for. */
  began: number;
  ended: number | null;
  /** JSON text of the value, once it has ended. */
  value: string | null;
  /** What the step threw. */
  error: (TaskError & { retryable: boolean }) | null;
  /** Until when it waits, in ms since the epoch. */
  until: number | null;
  /** The number of the signal that it took. */
  signal: number | null;
  /** An attempt did it behind a failure with which it ended; another way may be taken by now, so it need not be asked for again. */
  loose?: true;
  /** The step says how to undo it. */
  undo?: true;
}

/** The code with which an object closes a waiter's WebSocket when the task has ended. */
export const ENDED_CODE = 4_000;

/** What others may ask of a progress object. Written out because the platform's own RPC types refuse `unknown`. */
export interface ProgressApi {
  sync(snapshot: Snapshot): Promise<void>;
  report(report: Report): Promise<void>;
  list(after: number): Promise<TaskEvent[]>;
  latestProgress(): Promise<TaskEvent | null>;
  /** An event that comes from outside of the task. */
  note(event: NewEvent): Promise<void>;
  /** What is in the journal of this run; from now on attempts before this one may not write to it. Null where this one may not. */
  openJournal(run: number, attempt: number): Promise<JournalEntry[] | null>;
  /** Keeps entries, all or none; false where the attempt may not write any more. */
  writeJournal(attempt: number, entries: JournalEntry[]): Promise<boolean>;
  /** The task, or the flow, has ended: tells those who wait for it, and keeps nothing. */
  ended(): Promise<void>;
  destroy(): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
}
