/**
 * Undoes a task's steps, the last one first. The handler is replayed to get each step's undo function; the journal
 * keeps which steps were undone, so that each is undone once.
 */

import { describeError, type AttemptAborted, type TaskError } from "../core/errors.ts";
import { stepName, type JournalEntry } from "../core/journal.ts";
import type { UndoFailure } from "../core/undo.ts";
import type { Journal } from "./journal.ts";

/** How long to wait, after the handler has ended or only waits, for its other branches to come to their steps. */
const PATIENCE_MS = 2_000;

export class Undos {
  readonly #journal: Journal;
  readonly #signal: AbortSignal;
  readonly #mayTryAgain: boolean;
  readonly #known = new Map<string, () => Promise<unknown>>();
  readonly #wanted = new Set<string>();
  readonly #complete = Promise.withResolvers<void>();
  #isCalling = false;

  /** `mayTryAgain`: whether another attempt may replay the handler if this one does not come to every step. */
  constructor(journal: Journal, signal: AbortSignal, mayTryAgain: boolean) {
    this.#journal = journal;
    this.#signal = signal;
    this.#mayTryAgain = mayTryAgain;
  }

  /** Whether an undo function is being called, before its first `await`. */
  get isCalling(): boolean {
    return this.#isCalling;
  }

  /** The handler has come to the step `key` again. */
  add(key: string, undo: () => Promise<unknown>): void {
    this.#known.set(key, undo);
    this.#wanted.delete(key);
    if (this.#wanted.size === 0) this.#complete.resolve();
  }

  /**
   * Undoes the steps that are not undone yet; returns those that could not be. `replay` runs the handler, which comes no
   * further than its journal. Throws where the task is in another attempt.
   */
  async run(replay: () => Promise<unknown>, suspended: Promise<unknown>): Promise<UndoFailure[]> {
    const before = await this.#journal.before();
    const steps = undoable(before.values());
    const left = steps.filter(({ key }) => !before.has(undoKey(key)));
    await this.#collect(left, replay, suspended);
    const failures: UndoFailure[] = [];
    for (const { key } of steps) {
      const done = before.get(undoKey(key));
      const error = done ? (JSON.parse(done.value!) as TaskError | null) : await this.#undo(key);
      if (!done && !this.#signal.aborted) await this.#journal.keepUndone(undoKey(key), error);
      if (error !== null) failures.push({ step: stepName(key), error });
    }
    return failures;
  }

  /**
   * Replays the handler until it has come to every step. An error of the handler is expected, because it has failed before;
   * it is thrown only where the handler has not come to every step and another attempt may.
   */
  async #collect(steps: JournalEntry[], replay: () => Promise<unknown>, suspended: Promise<unknown>): Promise<void> {
    for (const { key } of steps) this.#wanted.add(key);
    if (this.#wanted.size === 0) return;
    const failures: string[] = [];
    const ended = replay().catch((thrown: unknown) => void failures.push(describeError(thrown).message));
    const late = Promise.race([ended, suspended]).then(() => scheduler.wait(PATIENCE_MS));
    await Promise.race([this.#complete.promise, late, aborted(this.#signal)]);
    if (this.#wanted.size > 0 && failures.length > 0 && this.#mayTryAgain && !this.#signal.aborted) {
      throw new Error(`the handler failed before it came to every step that is to be undone: ${failures.join()}`);
    }
  }

  /** Undoes one step; returns why it could not, or null. */
  async #undo(key: string): Promise<TaskError | null> {
    if (this.#signal.aborted) return this.#cutOff();
    const undo = this.#known.get(key);
    if (!undo) {
      const message = "the handler did not come to this step again, so there is no function to undo it";
      return { type: "UndoUnknownError", message };
    }
    try {
      await Promise.race([this.#call(undo), aborted(this.#signal)]);
      return this.#signal.aborted ? this.#cutOff() : null;
    } catch (thrown) {
      if (this.#signal.aborted) return this.#cutOff();
      const { stack: _, ...error } = describeError(thrown);
      return error;
    }
  }

  async #call(undo: () => Promise<unknown>): Promise<unknown> {
    this.#isCalling = true;
    const undoing = undo();
    this.#isCalling = false;
    return undoing;
  }

  /** The error of an undo that ran out of time. Throws for any other reason, such as a task that is in another attempt. */
  #cutOff(): TaskError {
    const { cause, message } = this.#signal.reason as AttemptAborted;
    if (cause !== "timeout") throw this.#signal.reason;
    return { type: "timeout", message };
  }
}

/** The completed steps that can be undone, the last one first. */
function undoable(entries: Iterable<JournalEntry>): JournalEntry[] {
  return [...entries].filter((entry) => entry.undo && entry.ended !== null).toSorted((a, b) => b.ended! - a.ended!);
}

/** The journal key under which the outcome of an undo is kept. */
function undoKey(key: string): string {
  return `undo:${key}`;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
