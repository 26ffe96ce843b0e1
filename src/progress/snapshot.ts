/** What is told to a task's progress object. */

import type { TaskEvent } from "../contract/event.ts";
import type { TaskResource } from "../contract/task.ts";
import type { Moment } from "../core/timeline.ts";

/** How a task stands by its row. Telling the same one again, or an old one, changes nothing. */
export interface Snapshot {
  id: string;
  attempt: number;
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

/** What others may ask of a progress object. Written out because the platform's own RPC types refuse `unknown`. */
export interface ProgressApi {
  sync(snapshot: Snapshot): Promise<void>;
  report(report: Report): Promise<void>;
  list(after: number): Promise<TaskEvent[]>;
  latestProgress(): Promise<TaskEvent | null>;
  destroy(): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
}
