/** Collects the ends of one invocation's attempts, so that those which end together are one commit. */

import { commit } from "../engine/commit.ts";
import type { Commit } from "../results/commit-attempts.ts";

interface Waiting {
  commit: Commit;
  done: PromiseWithResolvers<boolean>;
}

export class Committer {
  readonly #env: Env;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Commits this end with the others of the moment; answers whether it holds. */
  async add(entry: Commit): Promise<boolean> {
    const done = Promise.withResolvers<boolean>();
    this.#waiting.push({ commit: entry, done });
    if (!this.#isWriting) void this.#write();
    return done.promise;
  }

  /** Never throws: each end's promise hears of its own commit. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    // What ends in the same turn of the event loop goes together.
    await scheduler.wait(0);
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0);
      try {
        const commits = group.map((each) => each.commit);
        // An attempt that was taken away may end beside the one that took its place.
        const held = new Map((await commit(this.#env, commits)).map((task) => [task.id, task.attempt]));
        for (const { commit: entry, done } of group) done.resolve(held.get(entry.id) === entry.attempt);
      } catch (error) {
        for (const { done } of group) done.reject(error);
      }
    }
    this.#isWriting = false;
  }
}
