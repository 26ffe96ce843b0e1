/** What is told to a progress object. */

import type { TaskEvent } from "../contract/event.ts";
import type { TaskResource } from "../contract/task.ts";
import type { TaskError } from "../core/errors.ts";
import { since, type Moment } from "../core/timeline.ts";

/** How a task stands by its row. Telling the same one again, or an old one, changes nothing. */
export interface Snapshot {
  id: string;
  moments: Moment[];
  /** The task as it ended, or null while it is alive. `seq` is the number of its `done`, `at` ms since the epoch. */
  ended: { seq: number; at: number; task: TaskResource } | null;
}

/** The events of a snapshot after number `after`: the same, whoever derives them. */
export function eventsOf({ moments, ended }: Snapshot, after: number): TaskEvent[] {
  const events: TaskEvent[] = since(moments, after).map(({ seq, at, data }) => ({
    seq,
    type: "state",
    at: new Date(at).toISOString(),
    data,
  }));
  if (ended !== null && ended.seq > after) {
    events.push({ seq: ended.seq, type: "done", at: new Date(ended.at).toISOString(), data: ended.task });
  }
  return events;
}

/** An event that has no number yet. */
export type NewEvent = Omit<TaskEvent, "seq">;

/** An event of a flow. */
export interface FlowNews {
  /** Whose it is: that of a member, by its id, or of an end of the flow. */
  teller: string;
  /** Its number among those of its teller, which grows. */
  nth: number;
  event: NewEvent;
}

/** What a running attempt has to tell. */
export interface Report {
  /** Its own: one that comes again, because its answer was lost, is not heard twice. */
  id: string;
  /** As the attempt began. */
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
  /** Hears of a flow's events, those of one teller in their order. */
  syncFlow(told: FlowNews[]): Promise<void>;
  list(after: number): Promise<TaskEvent[]>;
  latestProgress(): Promise<TaskEvent | null>;
  /** An event that comes from outside of the task, which stood like this. */
  note(snapshot: Snapshot, event: NewEvent): Promise<void>;
  /** What is in the journal of this run; from now on attempts before this one may not write to it. Null where this one may not. */
  openJournal(run: number, attempt: number): Promise<JournalEntry[] | null>;
  /** Keeps entries, all or none; false where the attempt may not write any more. */
  writeJournal(attempt: number, entries: JournalEntry[]): Promise<boolean>;
  /** The task, or the flow, has ended: tells those who wait for it, and keeps nothing. */
  ended(): Promise<void>;
  destroy(): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
}
