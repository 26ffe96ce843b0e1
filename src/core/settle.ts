/**
 * What becomes of a task when its attempt ends: a pure function of the attempt, how it went, the
 * time and one random number.
 */

import { describeError, NonRetryableError, RetryAfterError, type TaskError } from "./errors.ts";
import { BELL_MS, MAX_CRASHES, MAX_HORIZON_MS, MAX_UNDO_CRASHES } from "./bounds.ts";
import { DEFAULT_RETRY, retryDelay, type RetryPolicy } from "./retry.ts";
import type { State } from "./states.ts";
import { errorAfterUndo, type Undoing, type UndoFailure } from "./undo.ts";

/** The start of a task that no time wakes is not known; this stands in its `run_at` meanwhile (9999-12-31). */
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
      /** False: no attempt follows, whatever is left. */
      retryable: boolean;
      /** The handler's or the definition's own wish for the delay; undefined: by the policy. */
      delayMs?: number;
    }
  | { outcome: "timeout"; error: TaskError }
  /** It was asked to stop and has, or its grace is over. */
  | { outcome: "cancelled" }
  | { outcome: "crashed" }
  | { outcome: "snoozed"; delayMs: number }
  /** It waits without a worker. */
  | { outcome: "suspended"; wait: Wait }
  /** Its steps are undone, but for these; the task ends as it was to. */
  | { outcome: "undone"; undoing: Undoing; failures: UndoFailure[] };

/** What a suspended task waits for: whatever comes first wakes it. On the wire it is the task's `waitingFor`. */
export interface Wait {
  type: "sleep" | "signal" | "tasks" | "several";
  /** ms since the epoch: a sleep's end or a timeout; null: nothing wakes it by time. */
  until: number | null;
  /** Names of signals. */
  signals: string[];
  /** Ids of tasks; a group wakes it when all of it have ended. */
  tasks: string[][];
  /** Signals that it had already heard of when it began to wait. */
  heard: number;
}

/** What a settlement needs to know of the running attempt. */
export interface Running {
  /** Failed attempts of this run so far. */
  failures: number;
  /** Attempts of this run that were cut off so far. */
  crashes: number;
  maxAttempts: number;
  /** The end that it comes to, where the attempt undoes its steps. */
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
      return { ...same, state: "scheduled", runAt: at, dueAt: at };
    }
    case "suspended": {
      const { wait } = ending;
      // It came so far without bringing its worker down: a month of waits may meet more than a few deployments.
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
 * Undoing that was cut short goes on where it was; if that happens too often, the task ends as it was to, and
 * tells what happened. What one undo function throws is no such failure. Null for other endings.
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

/** A thrown thing as an ending: the two steering errors steer, everything else may be retried. */
export function endingOf(thrown: unknown): Ending {
  const error = describeError(thrown);
  if (thrown instanceof RetryAfterError) {
    return { outcome: "failed", error, retryable: true, delayMs: thrown.delayMs };
  }
  return { outcome: "failed", error, retryable: !(thrown instanceof NonRetryableError) };
}
