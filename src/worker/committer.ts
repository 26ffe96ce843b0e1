/** Collects the ends of one event's attempts, so that attempts that end together share one commit. */

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

/** Pause between two tries to commit while D1 does not answer: doubled each time, but shorter than the clock's wait before a rescue. */
const AGAIN_MS = { first: 500, last: 3_000 } as const;

/** Time before the end of the event at which it hands over the ends that it could not commit. */
const HAND_OVER_MS = 2_000;

export class Committer {
  readonly #env: Env;
  readonly #handOverAt: number;
  /** Attempts whose ends may still come. */
  #open: number;
  #waiting: Waiting[] = [];
  #isWriting = false;
  #lastAt = Infinity;
  #length = 0;

  /** `endBy`: when the platform cuts the event off, in ms since the epoch. `attempts`: how many ends may come. */
  constructor(env: Env, endBy: number, attempts = Infinity) {
    this.#env = env;
    this.#open = attempts;
    this.#handOverAt = endBy - HAND_OVER_MS;
  }

  /**
   * Commits this end together with others that wait; returns whether the attempt still held its task. Tries again while D1
   * does not answer. An end that is not committed when the event's time is nearly up is handed to an object, and counts as held.
   */
  async add(entry: Commit): Promise<boolean> {
    const done = Promise.withResolvers<boolean>();
    this.#waiting.push({ commit: entry, done });
    this.#length += lengthOf(entry);
    this.#open--;
    if (!this.#isWriting) void this.#write();
    return done.promise;
  }

  /** When the last end came that is committed or being committed, in ms since the epoch; Infinity: none has come. */
  get lastAt(): number {
    return this.#lastAt;
  }

  /** Characters of the results that are not committed: they are in memory. */
  get length(): number {
    return this.#length;
  }

  /** Never throws: the promise of each end resolves or rejects with its own commit. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    // Attempts that end in the same turn of the event loop share a commit.
    if (this.#open > 0) await scheduler.wait(0);
    while (this.#waiting.length > 0) {
      this.#lastAt = Date.now();
      const group = this.#waiting.splice(0);
      await this.#settle(group);
      this.#length -= group.reduce((sum, { commit: entry }) => sum + lengthOf(entry), 0);
    }
    this.#isWriting = false;
  }

  async #settle(group: Waiting[]): Promise<void> {
    try {
      const held = await this.#commit(group.map((each) => each.commit));
      for (const { commit: entry, done } of group) done.resolve(held === null || held.get(entry.id) === entry.attempt);
    } catch (error) {
      // One end at fault must not fail the others: each is committed by itself.
      if (group.length > 1) await Promise.all(group.map(async (each) => this.#settle([each])));
      else group[0]!.done.reject(error);
    }
  }

  /** Attempt numbers of the ends that hold, by task id; null where the ends were handed over. Throws an error that no retry mends. */
  async #commit(commits: Commit[]): Promise<ReadonlyMap<string, number> | null> {
    for (let pause: number = AGAIN_MS.first, left = this.#left(); left > 0; left = this.#left()) {
      try {
        const held = await within(commit(this.#env, commits), left);
        // The same task may be in `commits` twice: in an attempt that was fenced, and in the next one.
        if (held !== "late") return new Map(held.map((task) => [task.id, task.attempt]));
      } catch (error) {
        // One result that does not fit into a full database must not hold up the others of its group.
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

function lengthOf({ result }: Commit): number {
  return result?.length ?? 0;
}
