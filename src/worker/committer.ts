/** Collects the ends of one event's attempts, so that those which end together are one commit. */

import { commit } from "../engine/commit.ts";
import type { Commit } from "../results/commit-attempts.ts";
import { isFinal } from "../results/d1.ts";
import { troubleOf } from "../results/trouble.ts";
import { handOver } from "./hand-over.ts";
import { within } from "../results/within.ts";

interface Waiting {
  commit: Commit;
  done: PromiseWithResolvers<boolean>;
}

/** Between two offers of ends to a D1 that does not answer: twice as long each time, and no longer than the clock waits for them. */
const AGAIN_MS = { first: 500, last: 3_000 } as const;

/** What the event has left when it hands over the ends that it could not commit. */
const HAND_OVER_MS = 2_000;

export class Committer {
  readonly #env: Env;
  readonly #handOverAt: number;
  /** Attempts whose ends may still come. */
  #open: number;
  #waiting: Waiting[] = [];
  #isWriting = false;

  /** `endBy`: when the platform cuts the event off, in ms since the epoch. `attempts`: how many ends may come. */
  constructor(env: Env, endBy: number, attempts = Infinity) {
    this.#env = env;
    this.#open = attempts;
    this.#handOverAt = endBy - HAND_OVER_MS;
  }

  /**
   * Commits this end with the others of the moment; answers whether it holds. A D1 that does not answer is offered it
   * again; what is not committed when the event's time is nearly up goes on from an object, and counts as held.
   */
  async add(entry: Commit): Promise<boolean> {
    const done = Promise.withResolvers<boolean>();
    this.#waiting.push({ commit: entry, done });
    this.#open--;
    if (!this.#isWriting) void this.#write();
    return done.promise;
  }

  /** Never throws: each end's promise hears of its own commit. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    // What ends in the same turn of the event loop goes together.
    if (this.#open > 0) await scheduler.wait(0);
    while (this.#waiting.length > 0) await this.#settle(this.#waiting.splice(0));
    this.#isWriting = false;
  }

  async #settle(group: Waiting[]): Promise<void> {
    try {
      const held = await this.#commit(group.map((each) => each.commit));
      for (const { commit: entry, done } of group) done.resolve(held === null || held.get(entry.id) === entry.attempt);
    } catch (error) {
      // One of them is at fault: the others must not fail with it.
      if (group.length > 1) await Promise.all(group.map(async (each) => this.#settle([each])));
      else group[0]!.done.reject(error);
    }
  }

  /** The attempts whose ends hold, by the ids of their tasks; null where the ends were handed over. Throws what no repetition mends. */
  async #commit(commits: Commit[]): Promise<ReadonlyMap<string, number> | null> {
    for (let pause: number = AGAIN_MS.first, left = this.#left(); left > 0; left = this.#left()) {
      try {
        const held = await within(commit(this.#env, commits), left);
        // An attempt that was taken away may end beside the one that took its place.
        if (held !== "late") return new Map(held.map((task) => [task.id, task.attempt]));
      } catch (error) {
        // One result that finds no room must not hold up the others of its group.
        if (isFinal(error) || (commits.length > 1 && troubleOf(error) === "full")) throw error;
        await scheduler.wait(Math.min(pause * (0.5 + Math.random()), Math.max(0, this.#left())));
        pause = Math.min(2 * pause, AGAIN_MS.last);
      }
    }
    await handOver(this.#env, commits);
    return null;
  }

  #left(): number {
    return this.#handOverAt - Date.now();
  }
}
