/** How the supervisors of attempts that share a handler's call reach it. */

import { RpcTarget } from "cloudflare:workers";
import type { AttemptControl, StopReason } from "./control.ts";

/** One of the tasks, by its place among them, is to stop. */
export interface Stop {
  place: number;
  reason: StopReason;
}

/** Handed to the call's invocation; lives as long as the call. */
export class BatchControl extends RpcTarget {
  readonly #stops: Stop[] = [];
  #news = Promise.withResolvers<void>();

  constructor(controls: readonly AttemptControl[]) {
    super();
    for (const [place, control] of controls.entries()) void this.#hear(place, control);
  }

  async #hear(place: number, control: AttemptControl): Promise<void> {
    this.#stops.push({ place, reason: await control.stopped() });
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** Answers all stops but the first `known`, once there are any. */
  async stops(known: number): Promise<Stop[]> {
    while (this.#stops.length <= known) await this.#news.promise;
    return this.#stops.slice(known);
  }
}
