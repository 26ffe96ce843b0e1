/**
 * An actor is one invocation of the Worker: it can be killed or held up before or after any of its
 * calls to D1, or be told of an error that hides whether the call was done. It has the strict platform's limit of D1 statements.
 */

import type { Execute } from "./database-over.ts";
import { eventLimits } from "../../scripts/strict/limits.ts";

export interface Trouble {
  /** `die`: nothing of it ever happens again. `fail`: the call throws, once. `pause`: it goes on when told to. */
  kind: "die" | "fail" | "pause";
  /** The n-th call to D1, from 1. */
  call: number;
  when: "before" | "after";
}

export type Fate = "done" | "died" | "paused";

/** What D1 says when a connection breaks; the caller cannot know whether the statement was applied. */
export const BROKEN = "D1_ERROR: Network connection lost.";

const MAX_STATEMENTS = eventLimits("paid", 1).statements;

const NEVER = new Promise<never>(() => {});

export class Actor {
  /** Its own way to D1. */
  readonly execute: Execute;
  readonly #trouble: Trouble | null;
  readonly #goOn = Promise.withResolvers<"live" | "die">();
  #calls = 0;
  #statements = 0;
  #isDead = false;
  #stopped = Promise.withResolvers<Fate>();
  #work: Promise<Fate> = Promise.resolve("done");

  constructor(execute: Execute, trouble: Trouble | null) {
    this.#trouble = trouble;
    this.execute = async (statements) => {
      if (this.#isDead) return NEVER;
      this.#calls++;
      this.#statements += statements.length;
      if (this.#statements > MAX_STATEMENTS)
        this.#stopped.reject(new Error(`one event made more than ${MAX_STATEMENTS} D1 statements`));
      await this.#meet("before");
      const results = await execute(statements);
      await this.#meet("after");
      return results;
    };
  }

  /** Lets it do this; answers when it has, or has died, or stands still. */
  async run(work: () => Promise<void>): Promise<Fate> {
    this.#work = work().then(() => "done");
    return this.#next();
  }

  /** A paused one goes on, or turns out to have died. */
  async resume(how: "live" | "die"): Promise<Fate> {
    this.#stopped = Promise.withResolvers();
    this.#goOn.resolve(how);
    return this.#next();
  }

  async #next(): Promise<Fate> {
    return Promise.race([this.#work, this.#stopped.promise]);
  }

  async #meet(when: Trouble["when"]): Promise<void> {
    const trouble = this.#trouble;
    if (trouble === null || trouble.call !== this.#calls || trouble.when !== when) return;
    if (trouble.kind === "fail") throw new Error(BROKEN);
    if (trouble.kind === "pause") {
      this.#stopped.resolve("paused");
      if ((await this.#goOn.promise) === "live") return;
    }
    this.#isDead = true;
    this.#stopped.resolve("died");
    await NEVER;
  }
}
