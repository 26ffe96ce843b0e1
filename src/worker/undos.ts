/**
 * The undoing of a task's steps, the last one first. How a step is undone, its handler says when it comes to the
 * step again; that each is undone once, the journal remembers.
 */

import { describeError, type AttemptAborted, type TaskError } from "../core/errors.ts";
import type { UndoFailure } from "../core/undo.ts";
import type { JournalEntry } from "../progress/snapshot.ts";
import type { Journal } from "./journal.ts";

/** How long a handler that has ended, or only waits, is given to come to steps in its other branches. */
const PATIENCE_MS = 2_000;

export class Undos {
  readonly #journal: Journal;
  readonly #signal: AbortSignal;
  readonly #mayTryAgain: boolean;
  readonly #known = new Map<string, () => Promise<unknown>>();
  readonly #wanted = new Set<string>();
  readonly #complete = Promise.withResolvers<void>();
  #isCalling = false;

  /** `mayTryAgain`: whether another attempt may find out what this one cannot. */
  constructor(journal: Journal, signal: AbortSignal, mayTryAgain: boolean) {
    this.#journal = journal;
    this.#signal = signal;
    this.#mayTryAgain = mayTryAgain;
  }

  /** Whether an undo function is being called this very moment. */
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
   * Undoes what is not undone yet; answers what could not be. `replay` runs the handler, which comes no further
   * than its journal does. Throws where the task is in another attempt.
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
   * What the handler throws is of no interest, because it has failed before, unless it has not come to every step:
   * then it may do so in another attempt.
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

  /** Undoes one step; answers why it could not. */
  async #undo(key: string): Promise<TaskError | null> {
    if (this.#signal.aborted) return this.#cutOff();
    const undo = this.#known.get(key);
    if (!undo) {
      const message = "the handler did not come to this step again, so nobody knows how to undo it";
      return { type: "UndoUnknownError", message };
    }
    try {
      await Promise.race([this.#call(undo), aborted(this.#signal)]);
      return this.#signal.aborted ? this.#cutOff() : null;
    } catch (thrown) {
      return this.#signal.aborted ? this.#cutOff() : describeError(thrown);
    }
  }

  async #call(undo: () => Promise<unknown>): Promise<unknown> {
    this.#isCalling = true;
    const undoing = undo();
    this.#isCalling = false;
    return undoing;
  }

  /** Out of time, which is told; who is in another attempt has nothing to tell. */
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

/** Where it stands how a step was undone. */
function undoKey(key: string): string {
  return `undo:${key}`;
}

/** The name of a step as its handler gave it; of a repeated one, which it was. */
function stepName(key: string): string {
  return key.slice("step:".length).replace(/#1$/, "");
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
