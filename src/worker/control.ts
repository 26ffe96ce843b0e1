/** What the supervisor of an attempt and its handler tell each other. */

import { AttemptAborted } from "../core/errors.ts";
import { CANCEL_GRACE_MS } from "../core/bounds.ts";

/** Why a handler's signal aborts. */
export interface StopReason {
  cause: AttemptAborted["cause"];
  message: string;
  /** Whether the task has listeners, to which an acknowledgement would be sent. */
  isWatched?: boolean;
}

export class AttemptControl {
  readonly #abort = new AbortController();
  #reason: StopReason | null = null;
  #graceMs: number;

  /** `graceMs`: how long a handler may go on after its time limit. */
  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Aborts with an {@link AttemptAborted} when the handler is to stop. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Why the handler was asked to stop; null while it was not. */
  get reason(): StopReason | null {
    return this.#reason;
  }

  get graceMs(): number {
    return this.#graceMs;
  }

  /** Called when a step that can be undone has ended. From then on the handler gets a grace, so that its last steps reach the journal. */
  undoable(): void {
    this.#graceMs = CANCEL_GRACE_MS;
  }

  /** Asks the handler to stop. Only the first reason counts. */
  stop(reason: StopReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#abort.abort(new AttemptAborted(reason.cause, reason.message));
  }
}
