/** One way to talk to D1: every statement is safe to repeat, so a call whose answer was lost is repeated. */

import { log } from "../core/log.ts";
import type { ProblemName } from "../core/problem-kinds.ts";
import { ProblemError, problem } from "../core/problems.ts";
import { mayAsk, noteAnswer, noteOverload } from "./load.ts";
import { noteSize } from "./size.ts";
import { callTogether } from "./together.ts";
import { missingInSchema, SchemaError, SilentError, troubleOf, type Trouble } from "./trouble.ts";
import { within } from "./within.ts";

/**
 * Pauses before the second, third … try of a call that failed, in ms; each is drawn from half to one and a half times as
 * much. An overloaded D1 is asked again for 6 s on average and 9 at most: a lease survives that between two heartbeats,
 * and a commit still fits into the 30 s that an invocation has after its handler returned.
 */
const PAUSES: Record<Trouble, readonly number[]> = {
  lost: [10, 40, 120, 300, 700],
  silent: [400],
  overloaded: [400, 800, 1_600, 3_200],
  full: [],
  final: [],
};

/** A caller waits this long for D1, all tries together. */
const CALLER_PATIENCE_MS = 10_000;

/** D1 ends a call after 30 s (https://developers.cloudflare.com/d1/platform/limits/): a call that is silent for longer is lost. */
const CALL_MS = 35_000;

/**
 * After a call of this length, others get a turn. On one machine D1 runs in the thread of the Worker, and that thread looks for
 * requests only when it has to wait for something: calls one after another would keep all others out.
 */
const LONG_CALL_MS = 50;

/**
 * Runs a call to D1 in the background until it answers. D1 repeats no write by itself, and may have applied the one
 * whose answer was lost: callers pass only statements that are guarded or idempotent.
 * Throws D1's error where all tries fail, the database is full or the statement is wrong.
 */
export async function persist<T>(call: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await ask(call, CALL_MS);
    } catch (error) {
      await pauseAfter(error, i);
    }
  }
}

/**
 * The same for a caller who waits for the answer. Throws a {@link RefusalError}, a 503, where D1 is lost or silent for
 * too long, and at once where it is overloaded or full: what it refuses is not repeated.
 */
export async function persistOr503<T>(call: () => Promise<T>): Promise<T> {
  if (!mayAsk(Date.now())) throw new RefusalError("overloaded");
  const startedAt = performance.now();
  for (let i = 0; ; i++) {
    try {
      return await ask(call, CALLER_PATIENCE_MS - (performance.now() - startedAt));
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble === "final") throw error;
      if (trouble !== "lost") throw new RefusalError(trouble);
      await pauseAfter(error, i).catch(() => {
        log("results_backend_lost", { error });
        throw new RefusalError(trouble);
      });
    }
  }
}

type RefusedFor = Exclude<Trouble, "final">;

/** What a caller is told, and the shortest and longest time until it is worth asking again, in seconds. */
const REFUSALS: Record<RefusedFor, { name: ProblemName; detail: string; seconds: [number, number] }> = {
  lost: {
    name: "unavailable",
    detail: "The results backend did not answer. Nothing that was accepted is lost; try again.",
    seconds: [1, 3],
  },
  silent: {
    name: "unavailable",
    detail:
      "The results backend did not answer in time, and may still do what it was asked. Try again, with the same Idempotency-Key if the request submits something.",
    seconds: [2, 6],
  },
  overloaded: {
    name: "unavailable",
    detail: "The results backend is overloaded. Nothing was stored; try again later, and less often.",
    seconds: [3, 10],
  },
  full: {
    name: "storage-full",
    detail:
      "The database is full. What was accepted goes on; tasks that have passed their retention are purged and make room.",
    seconds: [30, 60],
  },
};

/** A caller is refused because of the results backend. `Retry-After` is drawn anew for each, so that they do not come back together. */
export class RefusalError extends ProblemError {
  readonly trouble: RefusedFor;

  constructor(trouble: RefusedFor) {
    const { name, detail, seconds } = REFUSALS[trouble];
    const [shortest, longest] = seconds;
    const after = shortest + Math.floor(Math.random() * (longest - shortest + 1));
    super(problem(name, detail), { "Retry-After": String(after) });
    this.trouble = trouble;
  }
}

/** Waits before the next try; throws the error where there is none. */
async function pauseAfter(error: unknown, tries: number): Promise<void> {
  const pause = PAUSES[troubleOf(error)][tries];
  if (pause === undefined) throw error;
  await scheduler.wait(pause * (0.5 + Math.random()));
}

async function ask<T>(call: () => Promise<T>, ms: number): Promise<T> {
  const sentAt = Date.now();
  try {
    const answer = await within(call(), ms);
    // The call itself goes on; its late answer is ignored.
    if (answer === "late") throw new SilentError(`no answer from D1 within ${Math.round(ms)} ms`);
    noteAnswer(sentAt);
    noteSize(answer, Date.now());
    if (Date.now() - sentAt >= LONG_CALL_MS) await scheduler.wait(0);
    return answer;
  } catch (error) {
    const trouble = troubleOf(error);
    if ((trouble === "overloaded" || trouble === "silent") && noteOverload(sentAt, Date.now())) {
      log("results_backend_overloaded", { error });
    }
    const missing = trouble === "final" ? missingInSchema(error) : null;
    throw missing === null ? error : new SchemaError(missing, error);
  }
}

/** Whether the statement itself is wrong, so that sending it again is of no use. */
export function isFinal(error: unknown): boolean {
  return troubleOf(error) === "final";
}

/** A transaction of more statements is not shared with others. */
const FEW = 2;

/** How a call to D1 is made: by {@link persist} or {@link persistOr503}. */
type Persist = <T>(call: () => Promise<T>) => Promise<T>;

/**
 * Statements of one transaction. Adding one returns a function that gives its answer once the batch has run, so that nothing
 * depends on the order of statements.
 *
 * @example
 * const batch = new Batch(db);
 * batch.add(db.prepare(MOVE).bind(list));
 * const moved = batch.rows<Change>(db.prepare(MOVED).bind(list));
 * await batch.run(persist);
 * return moved();
 */
export class Batch {
  readonly #db: D1Database;
  readonly #statements: D1PreparedStatement[] = [];
  #results: D1Result[] = [];

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Adds statements whose answers are not needed. */
  add(...statements: readonly D1PreparedStatement[]): void {
    this.#statements.push(...statements);
  }

  /** Adds a statement; the returned function gives its rows. */
  rows<Row>(statement: D1PreparedStatement): () => Row[] {
    const nth = this.#statements.push(statement) - 1;
    return () => (this.#results[nth]?.results ?? []) as Row[];
  }

  /** Adds a statement; the returned function gives its first row, null where there is none. */
  first<Row>(statement: D1PreparedStatement): () => Row | null {
    const rows = this.rows<Row>(statement);
    return () => rows()[0] ?? null;
  }

  /** Adds a statement; the returned function tells how many rows it has changed. */
  changes(statement: D1PreparedStatement): () => number {
    const nth = this.#statements.push(statement) - 1;
    return () => this.#results[nth]?.meta.changes ?? 0;
  }

  /** Runs all of them, or none. After a second run the functions give its answers. Without statements D1 is not called. */
  async run(by: Persist): Promise<void> {
    if (this.#statements.length > 0) this.#results = await by(() => this.#db.batch(this.#statements));
  }

  /** The same in a transaction that other events of the isolate may share, where there are few statements. */
  async runTogether(by: Persist): Promise<void> {
    if (this.#statements.length > FEW) await this.run(by);
    else if (this.#statements.length > 0) this.#results = await by(() => callTogether(this.#db, this.#statements));
  }
}
