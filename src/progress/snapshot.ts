/** What a progress object receives. */

import type { TaskEvent } from "../contract/event.ts";
import type { TaskResource } from "../contract/task.ts";
import type { JournalEntry } from "../core/journal.ts";
import { since, type Moment } from "../core/timeline.ts";

/** A task's state, by its row. Sending the same snapshot again, or an old one, changes nothing. */
export interface Snapshot {
  id: string;
  moments: Moment[];
  /** The task as it ended, or null while it is alive. `seq` is the number of its `done`, `at` ms since the epoch. */
  ended: { seq: number; at: number; task: TaskResource } | null;
}

/** The events of a snapshot after number `after`; every caller derives the same ones. */
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
  /** The source of the event: the id of a member, or an end of the flow. */
  teller: string;
  /** Its number among those of its teller, which grows. */
  nth: number;
  event: NewEvent;
}

/** What a running attempt reports to its progress object. */
export interface Report {
  /** The report's own id: a report that is sent again, because its answer was lost, is not applied twice. */
  id: string;
  /** The task as the attempt began. */
  snapshot: Snapshot;
  events: NewEvent[];
  /** The attempt reports nothing more: keep all of it now. */
  last: boolean;
}

/** The code with which an object closes a waiter's WebSocket when the task has ended. */
export const ENDED_CODE = 4_000;

/** The steps in a journal. Neither list contains the values of steps. */
export interface Steps {
  entries: JournalEntry[];
  /** Steps that have begun and not ended. */
  begun: JournalEntry[];
}

/** What others may ask of a progress object. Written out because the platform's own RPC types refuse `unknown`. */
export interface ProgressApi {
  sync(snapshot: Snapshot): Promise<void>;
  report(report: Report): Promise<void>;
  /** Receives a flow's events, those of one teller in their order. */
  syncFlow(told: FlowNews[]): Promise<void>;
  list(after: number): Promise<TaskEvent[]>;
  latestProgress(): Promise<TaskEvent | null>;
  /** Adds an event from outside of the task, whose state was `snapshot`. */
  note(snapshot: Snapshot, event: NewEvent): Promise<void>;
  /**
   * The entries of this run's journal. From now on earlier attempts may not write to it; null where this attempt may not either.
   * `snapshot`: the task as the attempt began. A new run keeps what had ended before the place `keepBefore` in that of the run before.
   */
  openJournal(run: number, attempt: number, snapshot?: Snapshot, keepBefore?: number): Promise<JournalEntry[] | null>;
  /** Keeps entries, all or none; false where the attempt may not write any more. */
  writeJournal(attempt: number, entries: JournalEntry[]): Promise<boolean>;
  /** Receives steps that have begun and not ended. */
  beginSteps(attempt: number, entries: JournalEntry[]): Promise<void>;
  /** The journal as readers see it, in the order of beginnings, without the values. */
  steps(): Promise<Steps>;
  /** The task, or the flow, has ended: answers the callers that wait for it, and keeps nothing. */
  ended(): Promise<void>;
  destroy(): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
}
