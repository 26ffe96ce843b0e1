/**
 * Gives a handler again what its earlier attempts did, in the order in which that ended then: so a race is
 * won by the same one as the last time, and a handler whose calls have changed is found out.
 */

import { StepMismatchError } from "../core/errors.ts";

/** What was done, and at which place in the order of all beginnings and ends. */
interface Done {
  key: string;
  ended: number;
}

interface Call {
  key: string;
  /** Goes on when everything that ended before this place has been given. */
  after: number;
  turn: PromiseWithResolvers<void>;
}

export class Replay {
  readonly #order: Done[];
  readonly #patienceMs: number;
  #next = 0;
  #calls: Call[] = [];
  #isGiving = false;
  #impatience: ReturnType<typeof setTimeout> | null = null;

  /**
   * `patienceMs`: how long a call is waited for that earlier attempts did; another branch of the handler may have
   * work of its own before it comes to it.
   */
  constructor(done: Done[], patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#order = done.toSorted((a, b) => a.ended - b.ended);
  }

  /**
   * Resolves when all that ended before the place `after` has been given. Throws a `StepMismatchError`
   * where the handler does not ask for some of it.
   */
  async turn(key: string, after: number): Promise<void> {
    const turn = Promise.withResolvers<void>();
    this.#calls.push({ key, after, turn });
    if (!this.#isGiving) void this.#give();
    return turn.promise;
  }

  async #give(): Promise<void> {
    this.#isGiving = true;
    if (this.#impatience !== null) clearTimeout(this.#impatience);
    for (;;) {
      const head = this.#order[this.#next];
      const i = this.#calls.findIndex((call) => call.after <= (head?.ended ?? Infinity));
      if (i < 0) break;
      const [call] = this.#calls.splice(i, 1);
      call!.turn.resolve();
      if (call!.key !== head?.key) continue;
      this.#next++;
      // What the handler makes of it comes before the next one is given.
      await scheduler.wait(0);
    }
    this.#isGiving = false;
    if (this.#calls.length > 0) this.#impatience = setTimeout(() => this.#refuse(), this.#patienceMs);
  }

  #refuse(): void {
    const missing = this.#order[this.#next]!.key;
    for (const { key, turn } of this.#calls.splice(0)) {
      turn.reject(
        new StepMismatchError(
          `an earlier attempt did ${missing} before ${key}, this one did not: names and order of steps must not change while a task is under way`,
        ),
      );
    }
  }
}
