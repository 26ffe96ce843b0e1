/** How the supervisor of an attempt reaches its handler, which runs in an invocation of its own. */

import { RpcTarget } from "cloudflare:workers";
import { CANCEL_GRACE_MS } from "../core/limits.ts";

/** Why a handler's signal aborts. */
export interface StopReason {
  cause: "cancelled" | "soft_timeout" | "timeout" | "lost";
  message: string;
  /** Whether anybody would hear that the handler has heard. */
  isWatched?: boolean;
}

/** Handed to the attempt's invocation; lives as long as the call. */
export class AttemptControl extends RpcTarget {
  readonly #stop = Promise.withResolvers<StopReason>();
  #reason: StopReason | null = null;
  #graceMs: number;

  /** `graceMs`: how long a handler that is out of time may still go on, where that is known already. */
  constructor(graceMs: number) {
    super();
    this.#graceMs = graceMs;
  }

  /** Why it was asked to stop; null while it was not. */
  get reason(): StopReason | null {
    return this.#reason;
  }

  get graceMs(): number {
    return this.#graceMs;
  }

  /** A step has ended that can be undone. What is undone must be known, so from now on the handler is waited for a little. */
  async undoable(): Promise<void> {
    this.#graceMs = CANCEL_GRACE_MS;
  }

  /** Answers when the handler is to stop; never, if it is not. */
  async stopped(): Promise<StopReason> {
    return this.#stop.promise;
  }

  /** Asks the handler to stop. Only the first reason counts. Not reachable from the other side's interest. */
  stop(reason: StopReason): void {
    this.#reason ??= reason;
    this.#stop.resolve(reason);
  }
}
