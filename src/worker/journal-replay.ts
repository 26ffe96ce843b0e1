/**
 * Replays the results of earlier attempts to a handler, in the order in which its calls ended then: so the same branch
 * wins a race as the last time, and a handler whose calls have changed is detected.
 */

import { StepMismatchError } from "../core/errors.ts";

/** A call that ended, and the place of its end in the order of all beginnings and ends. */
interface Done {
  key: string;
  ended: number;
}

interface Call {
  key: string;
  /** Goes on when everything that ended before this place has been replayed. */
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
   * `patienceMs`: how long to wait for a call that an earlier attempt made; a branch of the handler may have work of its
   * own to do before it makes the call.
   */
  constructor(done: Done[], patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#order = done.toSorted((a, b) => a.ended - b.ended);
  }

  /**
   * Resolves when everything that ended before the place `after` has been replayed. Throws a `StepMismatchError`
   * where the handler does not make one of those calls again.
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
      // Lets the handler react to this result before the next one is given.
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
