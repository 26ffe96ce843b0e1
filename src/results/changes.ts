/**
 * What a transaction that moves tasks answers. `engine/announce.ts` does what follows from it, whichever verb it was.
 *
 * From which state a task came is not among it: a call that is repeated, because its answer was lost, finds the task moved
 * already. The verb's arrow in `core/states.ts` says from where it may have come.
 */

import type { Outcome } from "../core/settle.ts";
import type { Queued, State } from "../core/states.ts";
import type { OwedId } from "./webhooks/owed.ts";

/** A task, or a flow that has ended with its last one, as it stands now that it was moved. Instants are ms since the epoch. */
export interface Change extends Queued {
  /** To which state it came. */
  state: State;
  /** Absent where nobody counts it. */
  tenant?: string;
  task?: string;
  /** When the clock must look at it next; absent where the clock knows. */
  dueAt?: number | null;
  /** Bits of {@link OBJECT}; absent where no progress object is there to be told. */
  object?: number;
  /** Of a new task: not null where it starts together with others. */
  batch?: string | null;
  /** How the attempt went that has ended with the change, and its times; absent where none has. */
  outcome?: Outcome;
  runAt?: number;
  startedAt?: number | null;
  finishedAt?: number | null;
}

/** What a transaction has done. Absent: nothing of that kind. */
export interface Changes {
  /** What it has moved, or stored. */
  moved?: readonly Change[];
  /** What it has moved in consequence: members of flows that have all they need, parents that were woken, flows that ended. */
  released?: readonly Change[];
  /** Queued tasks to ring for, though nothing has moved them. */
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
