/** How the supervisor of an attempt and its handler hear of each other. */

import { AttemptAborted } from "../core/errors.ts";
import { CANCEL_GRACE_MS } from "../core/bounds.ts";

/** Why a handler's signal aborts. */
export interface StopReason {
  cause: AttemptAborted["cause"];
  message: string;
  /** Whether anybody would hear that the handler has heard. */
  isWatched?: boolean;
}

export class AttemptControl {
  readonly #abort = new AbortController();
  #reason: StopReason | null = null;
  #graceMs: number;

  /** `graceMs`: how long a handler that is out of time may still go on, where that is known already. */
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

  /** A step has ended that can be undone. What is undone must be known, so from now on the handler is waited for a little. */
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
