/**
 * Durable calls in a plain unit test: steps run at once and are remembered in a journal, sleeps are
 * over at once, signals are those that the test gives, children run in the same process.
 */

import type { SignalOptions, SpawnOptions, StepOptions, TaskDefinition } from "../core/task.ts";
import { durationMs, type Duration } from "../core/duration.ts";
import { describeError, NonRetryableError, SignalTimeoutError } from "../core/errors.ts";
import { demandKept } from "../core/lost.ts";
import { assertSignalName } from "../core/signal-name.ts";
import type { UndoFailure } from "../core/undo.ts";

/** What durable calls gave, by kind, name and number: `step:charge#1`. A later attempt that is given it skips them. */
export type Journal = Record<string, unknown>;

/** A child task that the handler asked for. */
export interface Spawned {
  id: string;
  task: string;
  input: unknown;
  options: SpawnOptions;
}

/** Runs a child to its end: its result, or a thrown error. */
export type RunChild = (task: TaskDefinition | string, input: unknown, id: string) => Promise<unknown>;

/** Which undo functions ran, and which failed. */
export interface Undone {
  /** Names of the steps, in the order in which they were undone. */
  steps: string[];
  failures: UndoFailure[];
}

export class FakeDurable {
  readonly journal: Journal;
  /** Names of the steps that ran, without those whose results were in the journal. */
  readonly steps: string[] = [];
  readonly #undos: { step: string; undo: () => Promise<unknown> }[] = [];
  /** How long each sleep was to be, in ms. */
  readonly sleeps: number[] = [];
  readonly spawned: Spawned[] = [];
  /** Resolves with the name of a signal that does not come, once the handler does nothing but wait for it. */
  readonly waiting: Promise<string>;
  readonly #suspend: (name: string) => void;
  readonly #uses = new Map<string, number>();
  readonly #signals: Map<string, unknown[]>;
  readonly #results = new Map<string, Promise<unknown>>();
  readonly #runChild: RunChild;
  readonly #warn: (message: string) => void;
  #active = 0;
  #waitsFor: string | null = null;

  constructor(
    journal: Journal,
    signals: Record<string, readonly unknown[]>,
    runChild: RunChild,
    warn: (message: string) => void,
  ) {
    this.#warn = warn;
    this.journal = { ...journal };
    this.#signals = new Map(Object.entries(signals).map(([name, bodies]) => [name, [...bodies]]));
    this.#runChild = runChild;
    ({ promise: this.waiting, resolve: this.#suspend } = Promise.withResolvers<string>());
  }

  async step<T>(name: string, fn: () => Promise<T> | T, options: StepOptions<T> = {}): Promise<T> {
    const { maxAttempts = 1, undo } = options;
    const result = await this.#once("step", name, async () => {
      this.steps.push(name);
      const value = await tryAgain(fn, maxAttempts);
      const warning = demandKept(name, value);
      if (warning !== null) this.#warn(warning);
      return value;
    });
    if (undo) this.#undos.push({ step: name, undo: () => tryAgain(() => undo(result), maxAttempts) });
    return result;
  }

  /** Undoes the steps that have completed, the last one first, each once. */
  async undo(): Promise<Undone> {
    const undone: Undone = { steps: [], failures: [] };
    for (const { step, undo } of this.#undos.splice(0).toReversed()) {
      try {
        await undo();
        undone.steps.push(step);
      } catch (error) {
        undone.failures.push({ step, error: describeError(error) });
      }
    }
    return undone;
  }

  async sleep(until: Duration | Date): Promise<void> {
    await this.#once("sleep", "", () => {
      this.sleeps.push(until instanceof Date ? until.getTime() - Date.now() : durationMs(until));
      return null;
    });
  }

  async waitForSignal<T>(name: string, { timeout, schema }: SignalOptions<T> = {}): Promise<T> {
    assertSignalName(name);
    const body = await this.#once("signal", name, async () => {
      const bodies = this.#signals.get(name) ?? [];
      // As in the service: what does not fit is passed over.
      while (bodies.length > 0 && schema?.safeParse(plain(bodies[0])).success === false) bodies.shift();
      if (bodies.length > 0) return bodies.shift();
      if (timeout !== undefined) throw new SignalTimeoutError(`no signal ${JSON.stringify(name)} came in time`);
      this.#waitsFor = name;
      this.#active--;
      this.#settle();
      return new Promise<never>(() => undefined);
    });
    return schema ? schema.parse(body) : (body as T);
  }

  async spawn<T extends TaskDefinition | string>(task: T, input: unknown, options: SpawnOptions = {}) {
    const name = typeof task === "string" ? task : task.name;
    const id = `child_${this.spawned.length + 1}`;
    this.spawned.push({ id, task: name, input, options });
    const result = this.#once("child", name, async () => this.#runChild(task, input, id));
    // `join` reports the failure.
    result.catch(() => undefined);
    this.#results.set(id, result);
    return { id, task };
  }

  async join({ id }: { id: string }): Promise<unknown> {
    return this.#results.get(id);
  }

  /** What the call gave in an earlier attempt, or gives now, as JSON carries it. */
  async #once<T>(kind: string, name: string, act: () => Promise<T> | T): Promise<T> {
    const use = (this.#uses.get(`${kind}:${name}`) ?? 0) + 1;
    this.#uses.set(`${kind}:${name}`, use);
    const key = `${kind}:${name}#${use}`;
    if (!(key in this.journal)) {
      this.#active++;
      try {
        this.journal[key] = plain(await act());
      } finally {
        this.#active--;
        this.#settle();
      }
    }
    return this.journal[key] as T;
  }

  #settle(): void {
    // The result of a call may make the handler begin another one.
    setTimeout(() => {
      if (this.#active === 0 && this.#waitsFor !== null) this.#suspend(this.#waitsFor);
    }, 0);
  }
}

async function tryAgain<T>(fn: () => Promise<T> | T, maxAttempts: number): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await fn();
    } catch (error) {
      if (failures >= maxAttempts || error instanceof NonRetryableError) throw error;
    }
  }
}

/** A value as JSON carries it. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? "null") as unknown;
}
