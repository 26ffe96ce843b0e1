/** How the supervisor of an attempt reaches its handler, which runs in an invocation of its own. */

import { RpcTarget } from "cloudflare:workers";

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

  /** Answers when the handler is to stop; never, if it is not. */
  async stopped(): Promise<StopReason> {
    return this.#stop.promise;
  }

  /** Asks the handler to stop. Only the first reason counts. Not reachable from the other side's interest. */
  stop(reason: StopReason): void {
    this.#stop.resolve(reason);
  }
}
