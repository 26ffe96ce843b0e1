/**
 * What a transaction that moves tasks answers. `engine/announce.ts` does what follows from it, whichever verb it was.
 *
 * It does not say from which state a task came: a call that is repeated, because its answer was lost, finds the task moved
 * already. The verb's arrow in `core/states.ts` says from which states it may have come.
 */

import type { TaskError } from "../core/errors.ts";
import type { Outcome } from "../core/settle.ts";
import type { WaitCause } from "../core/series.ts";
import type { Queued, State } from "../core/states.ts";
import type { OwedId } from "./webhooks/owed.ts";

/** A task, or a flow that has ended with its last one, as it stands after the move. Instants are ms since the epoch. */
export interface Change extends Queued {
  /** The state after the move. */
  state: State;
  /** Absent where the change is not counted. */
  tenant?: string;
  task?: string;
  /** When the clock must look at it next; absent where the clock knows. */
  dueAt?: number | null;
  /** Bits of {@link OBJECT}; absent where no progress object must be told. */
  object?: number;
  /** Of a new task: not null where it starts together with others. */
  batch?: string | null;
  /** Outcome and times of the attempt that has ended with the change; absent where none has. */
  outcome?: Outcome;
  runAt?: number;
  startedAt?: number | null;
  finishedAt?: number | null;
  /** Of a task that has failed: its error and tags (JSON text), for the group of its error. */
  error?: TaskError | null;
  tags?: string | null;
  /** Of the attempt that has ended with the change: the type of its error, the limit that may have held it back, and what its task waits for now. */
  errorType?: string | null;
  limitedBy?: WaitCause | null;
  waitsFor?: WaitCause | null;
}

/** What a transaction has done. Absent: nothing of that kind. */
export interface Changes {
  /** What it has moved, or stored. */
  moved?: readonly Change[];
  /** What it has moved in consequence: members of flows that have all they need, parents that were woken, flows that ended. */
  released?: readonly Change[];
  /** Queued tasks to send a message for, though they were not moved. */
  ring?: readonly Queued[];
  /** Ended tasks that webhooks must be told of. */
  owed?: readonly OwedId[];
  /** Concurrency keys under which a slot is free now. */
  freed?: readonly string[];
  /** Concurrency keys under which there are more slots than before. */
  raised?: readonly string[];
  /** When the clock must look, whatever the tasks' own timers say; in ms since the epoch. */
  lookAt?: number | null;
}
