/**
 * Durable tasks: ordinary code whose steps survive a crash. Every durable call has a key, and its result is
 * in the journal, so that the next attempt replays it up to where the last one was. A call that must wait
 * never returns: once all calls of the handler wait, the attempt ends as suspended.
 */

import type { Child, SignalOptions, SpawnOptions, StepOptions } from "../core/task.ts";
import { check } from "../core/check.ts";
import { durationMs, type Duration } from "../core/duration.ts";
import { AttemptAborted, NonRetryableError, StepMismatchError } from "../core/errors.ts";
import type { JournalEntry } from "../core/journal.ts";
import { faults } from "../core/problems.ts";
import { MAX_CRASHES, MAX_SLEEP_MS } from "../core/bounds.ts";
import type { Ending } from "../core/settle.ts";
import { assertSignalName } from "../core/signal-name.ts";
import { jsonSchemaOf } from "../core/signal-schema.ts";
import { isTerminal } from "../core/states.ts";
import type { UndoFailure } from "../core/undo.ts";
import { spawn } from "../engine/spawn.ts";
import { never, suspend, type Pending } from "../engine/suspend.ts";
import { openEnds } from "../engine/sealing/tasks.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { readEnds } from "../results/flows/values.ts";
import { readSignal, type StoredSignal } from "../results/signals.ts";
import { Journal } from "./journal.ts";
import { childFailure, tooLate } from "./call-errors.ts";
import { reached, UnreachableError } from "./reached.ts";
import type { Reporter } from "./reporter.ts";
import { failureOf, isSteering, StepValues, thrownAgain, tryStep } from "./step.ts";
import { Undos } from "./undos.ts";

/** Delay until the next attempt when D1 or the progress object could not be reached. */
const LOOK_AGAIN_MS = 5_000;

export class Durable {
  readonly #env: Env;
  readonly #task: ClaimedTask;
  readonly #signal: AbortSignal;
  readonly #yieldAfter: number;
  readonly #reporter: Reporter;
  readonly #journal: Journal;
  readonly #undos: Undos;
  readonly #values: StepValues;
  readonly #suspended = Promise.withResolvers<Ending>();
  readonly #pending = new Set<Pending>();
  /** The children that the handler has spawned, by the first id of each call. */
  readonly #children = new Map<string, Pick<JournalEntry, "label" | "startedAt">>();
  /** Numbers of the signals that waits of this task have taken, or that were discarded. */
  readonly #taken = new Set<number>();
  #active = 0;
  #isOver = false;

  /**
   * `yieldAfter`: the time (ms since the epoch) after which the attempt suspends before its next step.
   * `onUndoable` is called once a step that can be undone has ended.
   */
  constructor(
    env: Env,
    task: ClaimedTask,
    signal: AbortSignal,
    yieldAfter: number,
    reporter: Reporter,
    onUndoable: () => void,
  ) {
    this.#env = env;
    this.#task = task;
    this.#signal = signal;
    this.#yieldAfter = yieldAfter;
    this.#reporter = reporter;
    this.#values = new StepValues(reporter);
    // A tenth of the attempt's time limit, so that a changed handler is detected before the limit.
    this.#journal = new Journal(env, task, (yieldAfter - task.startedAt) / 5, onUndoable, () => reporter.scrubber);
    this.#undos = new Undos(this.#journal, signal, task.crashes + 1 < MAX_CRASHES);
  }

  /** Resolves to the attempt's end when every call of the handler waits. */
  get suspended(): Promise<Ending> {
    return this.#suspended.promise;
  }

  /** The attempt has ended. */
  close(): void {
    this.#journal.close();
  }

  /** Whether the journal of the progress object was used. */
  get used(): boolean {
    return this.#journal.used;
  }

  /** Whether a call of the handler is at work. A call that waits does not count, because it may have lost a race. */
  get isUnderWay(): boolean {
    return this.#active > 0;
  }

  async step<T>(name: string, fn: () => Promise<T> | T, options: StepOptions<T> = {}): Promise<T> {
    return this.#during(async () => {
      const entry = await this.#begin("step", name);
      if (entry.error !== null) throw thrownAgain(entry.error);
      if (entry.value !== null) {
        const result = JSON.parse(entry.value) as T;
        if (options.undo)
          this.#undos.add(entry.key, async () => tryStep(async () => options.undo?.(result), options, this.#signal));
        return result;
      }
      // Yields only after the attempt has added to the journal: otherwise the task might never end.
      if (Date.now() > this.#yieldAfter && this.#journal.hasAdvanced) return this.#wait({ until: Date.now() });
      let value: T;
      this.#journal.running(entry);
      try {
        value = await tryStep(fn, options, this.#signal);
      } catch (error) {
        // The handler may catch the error and go on; the next attempt must then see the same failure.
        if (!isSteering(error, this.#signal)) await this.#journal.end({ ...entry, error: failureOf(error) });
        throw error;
      }
      const text = this.#values.kept(name, value);
      await this.#journal.end({ ...entry, value: text, ...(options.undo && { undo: true }) });
      return JSON.parse(text) as T; // As a later attempt will see it.
    });
  }

  async sleep(until: Duration | Date): Promise<void> {
    return this.#during(async () => {
      const entry = await this.#begin("sleep", "");
      if (entry.value !== null) return;
      const wakeAt = entry.until ?? (until instanceof Date ? until.getTime() : Date.now() + durationMs(until));
      if (Number.isNaN(wakeAt) || wakeAt - Date.now() > MAX_SLEEP_MS) {
        throw new NonRetryableError("a task sleeps for a year at most");
      }
      if (entry.until === null) await this.#journal.keep({ ...entry, until: wakeAt });
      if (wakeAt > Date.now()) return this.#wait({ until: wakeAt });
      await this.#journal.end({ ...entry, until: wakeAt, value: "null" });
    });
  }

  async waitForSignal<T>(name: string, { timeout, schema }: SignalOptions<T> = {}): Promise<T> {
    return this.#during(async () => {
      assertSignalName(name);
      const entry = await this.#begin("signal", name);
      if (entry.error !== null) throw tooLate(name);
      if (entry.value !== null) {
        const body: unknown = JSON.parse(entry.value);
        return schema ? schema.parse(body) : (body as T);
      }
      const until = entry.until ?? (timeout === undefined ? null : Date.now() + durationMs(timeout));
      let isKept = entry.until !== null;
      if (until !== null && !isKept) {
        await this.#journal.keep({ ...entry, until });
        isKept = true;
      }
      for (let signal = await this.#take(name); signal !== null; signal = await this.#take(name)) {
        const body: unknown = JSON.parse(signal.body);
        const parsed = schema === undefined ? { success: true as const, data: body as T } : check(schema, body);
        if (parsed.success) {
          await this.#journal.end({ ...entry, until, value: signal.body, signal: signal.seq });
          return parsed.data;
        }
        // The sender may send another one: a typing error must not fail the task.
        await this.#journal.discard(signal.seq);
        const data = { signal: name, errors: faults(parsed.issues) };
        this.#reporter.tellLog("warn", `a signal ${JSON.stringify(name)} does not fit and was passed over`, data);
      }
      if (until !== null && until <= Date.now()) {
        const late = tooLate(name);
        await this.#journal.end({ ...entry, until, error: failureOf(late) });
        throw late;
      }
      // So that readers see what the task waits for.
      if (!isKept) await this.#journal.keep(entry);
      const since = entry.startedAt ?? Date.now();
      return this.#wait({ until, signal: { name, since, schema: jsonSchemaOf(schema) } });
    });
  }

  async spawn<T>(task: { name: string } | string, input: unknown, options: SpawnOptions = {}): Promise<Child<T>> {
    const [child] = await this.#spawnAll(typeof task === "string" ? task : task.name, [input], options);
    return { id: child!, task: task as T };
  }

  async join(child: Child): Promise<unknown> {
    return (await this.#results([child.id]))[0];
  }

  async callAll(task: { name: string } | string, inputs: unknown[], options: SpawnOptions = {}): Promise<unknown[]> {
    if (inputs.length === 0) return [];
    return this.#results(await this.#spawnAll(typeof task === "string" ? task : task.name, inputs, options));
  }

  /** The ids of children are derived from the key, so spawning again creates no second child. */
  async #spawnAll(task: string, inputs: unknown[], options: SpawnOptions): Promise<string[]> {
    return this.#during(async () => {
      const entry = await this.#begin("spawn", task);
      if (entry.value !== null) {
        const ids = JSON.parse(entry.value) as string[];
        if (ids.length === inputs.length) return this.#spawned(ids, task, entry);
        throw new StepMismatchError(
          `an earlier attempt spawned ${ids.length} of ${task} where this one wants ${inputs.length} (${entry.key})`,
        );
      }
      const ids = await reached(spawn(this.#env, this.#task, entry.key, task, inputs, options));
      if (ids === null) throw new AttemptAborted("lost", "the task was asked to stop, or is in another attempt");
      await this.#journal.end({ ...entry, value: JSON.stringify(ids) });
      return this.#spawned(ids, task, entry);
    });
  }

  #spawned(ids: string[], label: string, { startedAt }: JournalEntry): string[] {
    this.#children.set(ids[0]!, { label, ...(startedAt === undefined ? {} : { startedAt }) });
    return ids;
  }

  async #results(ids: string[]): Promise<unknown[]> {
    return this.#during(async () => {
      // Read before the replay gives this call its turn, so that it does not see ends that are later than its place in the order.
      const reading = reached(readEnds(this.#env.DB, ids));
      const entry = await this.#begin("join", ids[0]!, reading);
      const ended = await reading;
      const missing = ids.find((id) => !ended.has(id));
      if (missing !== undefined) throw new NonRetryableError(`the child task ${missing} is gone: it was deleted`);
      const failed = ids.find((id) => {
        const { state } = ended.get(id)!;
        return isTerminal(state) && state !== "succeeded";
      });
      if (failed === undefined && ids.some((id) => ended.get(id)!.state !== "succeeded")) {
        return this.#wait({ until: null, tasks: ids });
      }
      const failure = failed === undefined ? null : childFailure(failed, ended);
      if (entry.value === null) {
        const shown = failure === null ? {} : { shown: { type: failure.name, message: failure.message } };
        await this.#journal.end({ ...entry, ...this.#children.get(ids[0]!), ...shown, value: "null" });
      }
      if (failure !== null) throw failure;
      const opened = await openEnds(this.#env, ended);
      return ids.map((id) => opened.get(id)!.result);
    });
  }

  /** Undoes the steps of the task; `replay` runs its handler. Returns the steps that could not be undone. */
  async undo(replay: () => Promise<unknown>): Promise<UndoFailure[]> {
    return this.#undos.run(replay, this.suspended);
  }

  /** The journal entry of this call, once the replay gives it its turn. */
  async #begin(kind: string, name: string, ready?: Promise<unknown>): Promise<JournalEntry> {
    const entry = await this.#journal.begin(kind, name, ready);
    this.#signal.throwIfAborted();
    // While steps are undone, no new call begins.
    const isNew = entry.value === null && entry.error === null;
    return isNew && this.#task.undo !== null ? this.#wait({ until: null }) : entry;
  }

  /** Takes the oldest signal of this name that no wait has taken. */
  async #take(name: string): Promise<StoredSignal | null> {
    for (const seq of await this.#journal.takenBefore()) this.#taken.add(seq);
    for (;;) {
      const signal = await reached(readSignal(this.#env.DB, this.#task.id, name, [...this.#taken]));
      // Another branch of the handler may have taken it since the read.
      if (signal !== null && this.#taken.has(signal.seq)) continue;
      if (signal !== null) this.#taken.add(signal.seq);
      return signal;
    }
  }

  /** Runs a durable call. The attempt cannot suspend while any call is active. */
  async #during<T>(call: () => Promise<T>): Promise<T> {
    if (this.#undos.isCalling) throw new NonRetryableError("an undo function must make no durable call of ctx");
    // The attempt has ended: no later call of its handler returns.
    if (this.#isOver) return never();
    this.#active++;
    try {
      return await call();
    } catch (error) {
      // Neither the handler nor the task is at fault: a later attempt tries again, and no attempt is used up.
      if (error instanceof UnreachableError) return await this.#wait({ until: Date.now() + LOOK_AGAIN_MS });
      throw error;
    } finally {
      this.#active--;
      this.#settle();
    }
  }

  /** Never resolves: the attempt suspends unless another branch of the handler is active. */
  async #wait(pending: Pending): Promise<never> {
    this.#pending.add(pending);
    this.#active--;
    this.#settle();
    return never();
  }

  /** Suspends the attempt once every call waits. */
  #settle(): void {
    if (this.#active > 0 || this.#pending.size === 0) return;
    setTimeout(() => {
      if (this.#active > 0) return;
      this.#isOver = this.#task.undo === null;
      this.#suspended.resolve(suspend([...this.#pending], this.#task.signals));
    }, 0);
  }
}
