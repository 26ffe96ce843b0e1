/** Runs one step with its tries, and turns its value or error into what the journal keeps. */

import type { TryOptions } from "../core/task.ts";
import { describeError, NonRetryableError, RetryAfterError, StepMismatchError } from "../core/errors.ts";
import type { JournalEntry } from "../core/journal.ts";
import { MAX_PAYLOAD_BYTES } from "../core/bounds.ts";
import { demandKept } from "../core/lost.ts";
import { retryDelay, retryPolicy } from "../core/retry.ts";
import { byteLength } from "../core/byte-length.ts";
import type { Reporter } from "./reporter.ts";
import { Snoozed } from "./snoozed.ts";

type Failure = NonNullable<JournalEntry["error"]>;

/** Runs a step up to `maxAttempts` times. Throws the last error, and at once an error that another try would not mend. */
export async function tryStep<T>(
  fn: () => Promise<T> | T,
  { maxAttempts = 1, retry }: TryOptions,
  signal: AbortSignal,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await fn();
    } catch (error) {
      const isFinal = error instanceof NonRetryableError || error instanceof RetryAfterError;
      if (failures >= maxAttempts || isFinal || isSteering(error, signal)) throw error;
      await scheduler.wait(retryDelay(retryPolicy(retry), failures, Math.random()), { signal });
    }
  }
}

/** Whether a thrown error ends the attempt instead of the step. */
export function isSteering(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || error instanceof Snoozed || error instanceof StepMismatchError;
}

/** What the steps of an attempt gave, as it is kept. */
export class StepValues {
  readonly #reporter: Pick<Reporter, "tellLog">;
  #hasWarned = false;

  constructor(reporter: Pick<Reporter, "tellLog">) {
    this.#reporter = reporter;
  }

  /** Throws where JSON would not keep the value, and warns in the task's log, once for each attempt, where it keeps a date as a text. */
  kept(name: string, value: unknown): string {
    const { text, warning } = keptAs(name, value);
    if (warning !== null && !this.#hasWarned) this.#reporter.tellLog("warn", warning, undefined);
    this.#hasWarned ||= warning !== null;
    return text;
  }
}

/** A step's value as it is kept. */
export function keptAs(name: string, value: unknown): { text: string; warning: string | null } {
  const text = JSON.stringify(value) ?? "null";
  const warning = demandKept(name, value);
  if (text.length <= MAX_PAYLOAD_BYTES / 3) return { text, warning };
  const bytes = byteLength(text);
  if (bytes <= MAX_PAYLOAD_BYTES) return { text, warning };
  throw new NonRetryableError(
    `the step ${JSON.stringify(name)} gave ${bytes} bytes; ${MAX_PAYLOAD_BYTES} is the limit. Store it elsewhere and return its address`,
  );
}

/** A step's error as it is kept. */
export function failureOf(thrown: unknown): Failure {
  const { stack: _, ...error } = describeError(thrown);
  return { ...error, retryable: !(thrown instanceof NonRetryableError) };
}

/** The error of an earlier attempt, with its name, message and data, but without its class. */
export function thrownAgain({ type, message, data, retryable }: Failure): Error {
  const error = retryable ? new Error(message) : new NonRetryableError(message);
  return Object.defineProperties(error, { name: { value: type }, data: { value: data } });
}
