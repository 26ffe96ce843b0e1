/**
 * What becomes of a task when its attempt ends: a pure function of the attempt, how it went, the
 * time and one random number.
 */

import { describeError, NonRetryableError, RetryAfterError, type TaskError } from "./errors.ts";
import { BELL_MS, MAX_CRASHES, MAX_HORIZON_MS, MAX_UNDO_CRASHES } from "./bounds.ts";
import { DEFAULT_RETRY, retryDelay, type RetryPolicy } from "./retry.ts";
import type { State } from "./states.ts";
import { errorAfterUndo, type Undoing, type UndoFailure } from "./undo.ts";

/** Stands in `run_at` of a waiting task that no timer wakes, because its start is not known (9999-12-31). */
export const NO_START = 253_402_300_799_999;

/** How an attempt went, as it stands in the task's history. */
export const OUTCOMES = [
  "succeeded",
  "failed",
  "timeout",
  "crashed",
  "cancelled",
  "snoozed",
  "suspended",
  "undone",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** How an attempt ended, as the worker node saw it. */
export type Ending =
  /** `result` is JSON text that the task's output schema has accepted, without what is secret in it: that is `sealed`. */
  | { outcome: "succeeded"; result: string; sealed?: string | null }
  | {
      outcome: "failed";
      error: TaskError;
      /** False: no attempt follows, however many are left. */
      retryable: boolean;
      /** The handler's or the definition's own wish for the delay; undefined: by the policy. */
      delayMs?: number;
    }
  | { outcome: "timeout"; error: TaskError }
  /** The attempt was asked to stop and did, or its grace period is over. */
  | { outcome: "cancelled" }
  | { outcome: "crashed" }
  | {
      outcome: "snoozed";
      delayMs: number;
      /** Set where the deployment could not run the task: how many attempts in a row were put off for that, this one included. */
      inVain?: number;
    }
  /** It waits without a worker. */
  | { outcome: "suspended"; wait: Wait }
  /** The steps are undone, except for `failures`; the task comes to the end that `undoing` holds. */
  | { outcome: "undone"; undoing: Undoing; failures: UndoFailure[] };

/** What a suspended task waits for: whatever comes first wakes it. On the wire it is the task's `waitingFor`. */
export interface Wait {
  type: "sleep" | "signal" | "tasks" | "several";
  /** ms since the epoch: a sleep's end or a timeout; null: nothing wakes it by time. */
  until: number | null;
  /** Names of signals. */
  signals: string[];
  /** Groups of task ids; a group wakes the task when all tasks in it have ended. */
  tasks: string[][];
  /** How many signals it had already seen when it began to wait. */
  heard: number;
  /** The details of each awaited signal. */
  asked?: AskedSignal[];
}

/** A signal that a task waits for. Instants are ms since the epoch. */
export interface AskedSignal {
  since: number;
  /** When the wait times out; null: never. */
  until: number | null;
  /** The JSON Schema of its body; null: any JSON. */
  schema: unknown;
}

/** What a settlement needs to know of the running attempt. */
export interface Running {
  /** Failed attempts of this run so far. */
  failures: number;
  /** Attempts of this run that were cut off so far. */
  crashes: number;
  maxAttempts: number;
  /** Where the attempt undoes steps: the end that the task comes to. */
  undoing?: Undoing | null;
}

/** The row's next state, and what goes with it. Instants are ms since the epoch. */
export interface Settlement {
  outcome: Outcome;
  state: State;
  /** JSON text, only when it succeeded. */
  result: string | null;
  /** What is secret in the result. */
  sealed?: string;
  /** The task's error when it has ended badly. */
  error: TaskError | null;
  /** The attempt's error for its history. */
  attemptError: TaskError | null;
  /** When it may start again; null where it has ended. */
  runAt: number | null;
  /** When the clock must look; null where the retention decides. */
  dueAt: number | null;
  failures: number;
  crashes: number;
  /** What it waits for, where it is suspended. */
  wait?: Wait;
  /** See `AttemptRecord`. */
  inVain?: number;
}

/** The error of an attempt that was cut off. */
const LOST: TaskError = { type: "worker_lost", message: "the worker was lost before the attempt ended" };

export function settle(attempt: Running, ending: Ending, policy: RetryPolicy, now: number, random: number): Settlement {
  const { failures, crashes } = attempt;
  const same = { outcome: ending.outcome, result: null, error: null, attemptError: null, failures, crashes };
  const ended = { runAt: null, dueAt: null };
  if (attempt.undoing) {
    const cut = cutShort(attempt.undoing, ending, crashes, now, random);
    if (cut !== null) return { ...same, ...ended, ...cut };
  }
  switch (ending.outcome) {
    case "succeeded":
      return {
        ...same,
        ...ended,
        state: "succeeded",
        result: ending.result,
        ...(ending.sealed ? { sealed: ending.sealed } : {}),
      };
    case "undone": {
      const { undoing, failures: notUndone } = ending;
      return { ...same, ...ended, state: undoing.state, error: errorAfterUndo(undoing, notUndone) };
    }
    case "cancelled": {
      const error = { type: "cancelled", message: "cancelled on request" };
      return { ...same, ...ended, state: "cancelled", error };
    }
    case "snoozed": {
      const at = now + Math.min(ending.delayMs, MAX_HORIZON_MS);
      const { inVain } = ending;
      return { ...same, state: "scheduled", runAt: at, dueAt: at, ...(inVain === undefined ? {} : { inVain }) };
    }
    case "suspended": {
      const { wait } = ending;
      // Resets the crashes: the attempt did not bring its worker down, and many deployments may cut off a task that waits a month.
      return { ...same, crashes: 0, state: "waiting", runAt: wait.until ?? NO_START, dueAt: wait.until, wait };
    }
    case "crashed": {
      const crashed = { ...same, attemptError: LOST, crashes: crashes + 1 };
      if (crashes + 1 >= MAX_CRASHES) {
        const error = {
          type: "worker_lost",
          message: `the worker was lost ${crashes + 1} times while running this task`,
        };
        return { ...crashed, ...ended, state: "failed", error };
      }
      return { ...crashed, state: "queued", runAt: now, dueAt: now + BELL_MS };
    }
    case "failed":
    case "timeout": {
      const failed = { ...same, attemptError: ending.error, failures: failures + 1 };
      const retryable = ending.outcome === "timeout" || ending.retryable;
      if (!retryable || failures + 1 >= attempt.maxAttempts) {
        return { ...failed, ...ended, state: "failed", error: ending.error };
      }
      const wished = ending.outcome === "failed" ? ending.delayMs : undefined;
      const at = now + Math.min(wished ?? retryDelay(policy, failures + 1, random), MAX_HORIZON_MS);
      return { ...failed, state: "retrying", runAt: at, dueAt: at };
    }
  }
}

/**
 * Undoing that was cut short goes on where it stopped; if that happens too often, the task comes to its intended end, and its
 * error says what happened. An error that one undo function throws does not count. Null for other endings.
 */
function cutShort(
  undoing: Undoing,
  ending: Ending,
  crashes: number,
  now: number,
  random: number,
): (Partial<Settlement> & { state: State }) | null {
  const { outcome } = ending;
  if (outcome !== "crashed" && outcome !== "failed" && outcome !== "timeout") return null;
  const attemptError = outcome === "crashed" ? LOST : ending.error;
  const counted = { attemptError, crashes: crashes + 1 };
  const isOver = outcome === "timeout" || (outcome === "failed" && !ending.retryable);
  if (isOver || crashes + 1 >= MAX_UNDO_CRASHES) {
    const error = errorAfterUndo(undoing, [{ step: null, error: attemptError }]);
    return { ...counted, state: undoing.state, error };
  }
  if (outcome === "crashed") return { ...counted, state: "queued", runAt: now, dueAt: now + BELL_MS };
  const at = now + retryDelay(DEFAULT_RETRY, crashes + 1, random);
  return { ...counted, state: "retrying", runAt: at, dueAt: at };
}

/** The ending for a thrown value: `RetryAfterError` sets the delay, `NonRetryableError` forbids a retry, all else may be retried. */
export function endingOf(thrown: unknown): Ending {
  const error = describeError(thrown);
  if (thrown instanceof RetryAfterError) {
    return { outcome: "failed", error, retryable: true, delayMs: thrown.delayMs };
  }
  return { outcome: "failed", error, retryable: !(thrown instanceof NonRetryableError) };
}
