/** One way to talk to D1: every statement is safe to repeat, so every failed call is repeated. */

import { ProblemError, problem } from "../core/problems.ts";

/** Pauses before the second, third … try of a call, in ms. */
const PAUSES = [10, 40, 120, 300, 700] as const;

/** Errors that no repetition mends: the statement itself is wrong. */
const FINAL =
  /SQLITE_(CONSTRAINT|ERROR|TOOBIG|MISMATCH|RANGE)|no such (table|column)|Wrong number of parameter|syntax error|D1_TYPE_ERROR/;

/**
 * Runs a call to D1 until it answers. D1 repeats no write by itself, and may have applied the one
 * whose answer was lost: callers pass only statements that are guarded or idempotent.
 * Throws what D1 threw when it stays silent or the statement is at fault.
 */
export async function persist<T>(call: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await call();
    } catch (error) {
      const pause = PAUSES[i];
      if (pause === undefined || isFinal(error)) throw error;
      await scheduler.wait(pause * (0.5 + Math.random()));
    }
  }
}

/** The same for a caller who waits for the answer: a database that stays silent is a 503 to them. */
export async function persistOr503<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await persist(call);
  } catch (error) {
    if (isFinal(error)) throw error;
    console.error(JSON.stringify({ event: "results_backend_silent", error: String(error) }));
    throw new ProblemError(problem("unavailable", "The results backend did not answer. Nothing was lost; try again."), {
      "Retry-After": "1",
    });
  }
}

/** Whether the statement itself is wrong, and not the way to D1. */
export function isFinal(error: unknown): boolean {
  return FINAL.test(String(error));
}

/** The rows of one result of a batch. */
export function rowsOf<T>(results: D1Result[], index: number): T[] {
  return (results[index]?.results ?? []) as T[];
}
