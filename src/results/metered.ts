/** Wraps a D1 database: counts statements and calls, notes failed and slow ones, and bounds how long a call is waited for. */

import { isFinal } from "./d1.ts";
import { SpentError } from "./trouble.ts";
import { within } from "./within.ts";

/** A call that takes longer is a sign that D1 stalls. */
const SLOW_MS = 1_000;

/** Without an answer for this long, D1 is taken to be silent: no call that hangs is waited for longer. */
const SILENT_MS = 20_000;

/** Measures durations, in ms. */
export type Stopwatch = () => number;

export class Metered {
  readonly db: D1Database;
  /** Statements so far, each of a batch counted, and calls. */
  statements = 0;
  trips = 0;
  /** Whether a call has failed, for another reason than its statement, and may have been repeated. */
  hasFailed = false;
  /** Whether a call was slow. */
  wasSlow = false;
  readonly #limit: number;
  readonly #stopwatch: Stopwatch;
  readonly #began: number;
  #answeredAt: number;

  /** More than `limit` statements are refused with a {@link SpentError}. */
  constructor(db: D1Database, stopwatch: Stopwatch = () => performance.now(), limit = Infinity) {
    this.#limit = limit;
    this.#stopwatch = stopwatch;
    this.#began = this.#answeredAt = stopwatch();
    const inner = new WeakMap<object, D1PreparedStatement>();
    const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
      const wrapped = {
        bind: (...values: unknown[]) => wrap(statement.bind(...values)),
        run: () => this.#call(1, () => statement.run()),
        all: () => this.#call(1, () => statement.all()),
        first: (column?: string) =>
          this.#call(1, () => (column === undefined ? statement.first() : statement.first(column))),
      } as unknown as D1PreparedStatement;
      inner.set(wrapped, statement);
      return wrapped;
    };
    this.db = {
      prepare: (sql: string) => wrap(db.prepare(sql)),
      batch: (statements: D1PreparedStatement[]) =>
        this.#call(statements.length, () => db.batch(statements.map((statement) => inner.get(statement)!))),
    } as unknown as D1Database;
  }

  /** Whether work that seems to have been cut off may only have failed to store its end. */
  get isShaky(): boolean {
    return this.hasFailed || this.wasSlow;
  }

  /** Whole ms since it was made. */
  get elapsedMs(): number {
    return Math.floor(this.#stopwatch() - this.#began);
  }

  async #call<T>(statements: number, work: () => Promise<T>): Promise<T> {
    if (this.statements + statements > this.#limit) throw new SpentError(`more than ${this.#limit} statements`);
    this.statements += statements;
    this.trips++;
    const from = this.#stopwatch();
    try {
      const left = SILENT_MS - (from - this.#answeredAt);
      const answer = left > 0 ? await within(work(), left) : "late";
      if (answer === "late") throw new Error("D1 is silent");
      this.#answeredAt = this.#stopwatch();
      if (this.#answeredAt - from > SLOW_MS) this.wasSlow = true;
      return answer;
    } catch (error) {
      if (!isFinal(error)) this.hasFailed = true;
      throw error;
    }
  }
}
