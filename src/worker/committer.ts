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
  #writing: Promise<void> | null = null;

  constructor(env: Env) {
    this.#env = env;
  }

  /** Commits this end with the others of the moment; answers whether it holds. */
  async add(entry: Commit): Promise<boolean> {
    const done = Promise.withResolvers<boolean>();
    this.#waiting.push({ commit: entry, done });
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    return done.promise;
  }

  async #write(): Promise<void> {
    // What ends in the same turn of the event loop goes together.
    await scheduler.wait(0);
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0);
      try {
        const held = new Set((await commit(this.#env, group.map((each) => each.commit))).map((task) => task.id));
        for (const { commit: entry, done } of group) done.resolve(held.has(entry.id));
      } catch (error) {
        for (const { done } of group) done.reject(error);
      }
    }
  }
}
