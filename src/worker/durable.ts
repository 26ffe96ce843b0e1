/**
 * Durable tasks: ordinary code whose steps survive. Every durable call has a key; what it gave is in
 * the journal, so that an attempt that begins again finds its way to where the last one was. A call
 * that must wait never returns: once nothing else is going on, the attempt ends as suspended.
 */

import type { Child, SignalOptions, SpawnOptions, StepOptions } from "../core/define-task.ts";
import { durationMs, type Duration } from "../core/duration.ts";
import {
  AttemptAborted,
  ChildFailedError,
  NonRetryableError,
  SignalTimeoutError,
  StepMismatchError,
} from "../core/errors.ts";
import { retryDelay, retryPolicy } from "../core/retry.ts";
import type { Wait } from "../core/settle.ts";
import { isTerminal } from "../core/states.ts";
import { OBJECT } from "../core/wake.ts";
import { spawn } from "../engine/spawn.ts";
import { progressObject } from "../engine/tell.ts";
import type { JournalEntry } from "../progress/snapshot.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { readEnds } from "../results/flows.ts";
import { markObject } from "../results/read-tasks.ts";
import { readSignals } from "../results/signals.ts";

/** A year, the longest a task may sleep. */
const MAX_SLEEP_MS = 366 * 86_400_000;

/** A pause between two tries of a step that is short enough to hold the worker for. */
const NAME = /^[^\n]{1,200}$/;

interface Pending {
  until: number | null;
  signal?: string;
  tasks?: string[];
}

export class Durable {
  readonly #env: Env;
  readonly #task: ClaimedTask;
  readonly #signal: AbortSignal;
  readonly #yieldAfter: number;
  readonly #suspended = Promise.withResolvers<Wait>();
  readonly #pending = new Set<Pending>();
  readonly #uses = new Map<string, number>();
  readonly #consumed = new Set<string>();
  #journal: Promise<Map<string, JournalEntry>> | null = null;
  #position = 0;
  #active = 0;

  /** `yieldAfter`: the time (ms since the epoch) after which the next step begins a new invocation. */
  constructor(env: Env, task: ClaimedTask, signal: AbortSignal, yieldAfter: number) {
    this.#env = env;
    this.#task = task;
    this.#signal = signal;
    this.#yieldAfter = yieldAfter;
  }

  /** Resolves when the handler can only wait. */
  get suspended(): Promise<Wait> {
    return this.#suspended.promise;
  }

  /** Whether the journal of the progress object was used. */
  get used(): boolean {
    return this.#journal !== null;
  }

  async step<T>(name: string, fn: () => Promise<T> | T, options: StepOptions = {}): Promise<T> {
    const entry = await this.#begin("step", name);
    if (entry.value !== null) return JSON.parse(entry.value) as T;
    if (Date.now() > this.#yieldAfter && this.#consumed.size > 1) return this.#wait({ until: Date.now() });
    this.#active++;
    try {
      const value = await this.#try(fn, options);
      const text = JSON.stringify(value) ?? "null";
      await this.#end({ ...entry, value: text });
      // What a later attempt will see: the value as JSON carries it.
      return JSON.parse(text) as T;
    } finally {
      this.#active--;
      this.#settle();
    }
  }

  async sleep(until: Duration | Date): Promise<void> {
    const entry = await this.#begin("sleep", "");
    const wakeAt = entry.until ?? (until instanceof Date ? until.getTime() : Date.now() + durationMs(until));
    if (Number.isNaN(wakeAt) || wakeAt - Date.now() > MAX_SLEEP_MS) {
      throw new NonRetryableError("a task sleeps for a year at most");
    }
    if (entry.value !== null) return;
    if (entry.until === null) await this.#keep({ ...entry, until: wakeAt });
    if (wakeAt > Date.now()) return this.#wait({ until: wakeAt });
    await this.#end({ ...entry, until: wakeAt, value: "null" });
  }

  async waitForSignal<T>(name: string, options: SignalOptions<T> = {}): Promise<T> {
    const entry = await this.#begin("signal", name);
    const until = entry.until ?? (options.timeout === undefined ? null : Date.now() + durationMs(options.timeout));
    if (entry.value !== null) return this.#given(name, entry, options);
    if (entry.until === null && until !== null) await this.#keep({ ...entry, until });

    const taken = new Set([...(await this.#entries()).values()].map((each) => each.signal));
    const [signal] = (await readSignals(this.#env.DB, this.#task.id, [name])).filter((each) => !taken.has(each.seq));
    if (signal) {
      const ended = { ...entry, until, value: signal.body, signal: signal.seq };
      await this.#end(ended);
      return this.#given(name, ended, options);
    }
    if (until !== null && until <= Date.now()) {
      await this.#end({ ...entry, until, value: "null" });
      throw new SignalTimeoutError(`no signal ${JSON.stringify(name)} came in time`);
    }
    return this.#wait({ until, signal: name });
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

  /** The ids of children are made of the key, so spawning again makes nothing again. */
  async #spawnAll(task: string, inputs: unknown[], options: SpawnOptions): Promise<string[]> {
    const entry = await this.#begin("spawn", task);
    if (entry.value !== null) return JSON.parse(entry.value) as string[];
    this.#active++;
    try {
      const ids = await spawn(this.#env, this.#task, entry.key, task, inputs, options);
      if (ids === null) throw new AttemptAborted("lost", "the task was asked to stop, or is in another attempt");
      await this.#end({ ...entry, value: JSON.stringify(ids) });
      return ids;
    } finally {
      this.#active--;
      this.#settle();
    }
  }

  async #results(ids: string[]): Promise<unknown[]> {
    const ended = await readEnds(this.#env.DB, ids);
    const missing = ids.find((id) => !ended.has(id));
    if (missing !== undefined) throw new NonRetryableError(`the child task ${missing} is gone: it was deleted`);
    for (const id of ids) {
      const child = ended.get(id)!;
      if (isTerminal(child.state) && child.state !== "succeeded")
        throw new ChildFailedError(id, child.state, child.error);
    }
    if (ids.every((id) => ended.get(id)!.state === "succeeded")) return ids.map((id) => ended.get(id)!.result);
    return this.#wait({ until: null, tasks: ids });
  }

  /** The entry of this call, which may have ended in an earlier attempt. */
  async #begin(kind: string, name: string): Promise<JournalEntry> {
    if (name !== "" && !NAME.test(name)) throw new NonRetryableError("a name is one line of at most 200 characters");
    const use = (this.#uses.get(`${kind}:${name}`) ?? 0) + 1;
    this.#uses.set(`${kind}:${name}`, use);
    const key = `${kind}:${name}#${use}`;
    this.#active++;
    try {
      const entries = await this.#entries();
      this.#consumed.add(key);
      const known = entries.get(key);
      await this.#checkOrder(key, known?.began ?? Infinity);
      if (this.#signal.aborted) throw this.#signal.reason;
      return known ?? { key, began: ++this.#position, ended: null, value: null, until: null, signal: null };
    } finally {
      this.#active--;
      this.#settle();
    }
  }

  /** Whatever had ended before this call began in an earlier attempt must have been asked for again by now. */
  async #checkOrder(key: string, began: number): Promise<void> {
    const skipped = () =>
      [...this.#known.values()].find(
        (each) => each.ended !== null && each.ended < began && !this.#consumed.has(each.key),
      );
    if (skipped() === undefined) return;
    // Another branch of the handler may be about to ask for it.
    await scheduler.wait(0);
    const entry = skipped();
    if (entry === undefined) return;
    throw new StepMismatchError(
      `an earlier attempt did ${entry.key} before ${key}, this one did not: names and order of steps must not change while a task is under way`,
    );
  }

  #known = new Map<string, JournalEntry>();

  async #entries(): Promise<Map<string, JournalEntry>> {
    this.#journal ??= this.#open();
    return this.#journal;
  }

  async #open(): Promise<Map<string, JournalEntry>> {
    if (!(this.#task.object & OBJECT.used)) await markObject(this.#env.DB, this.#task.id, OBJECT.used);
    const entries = await this.#object.openJournal(this.#task.run, this.#task.attempt);
    for (const entry of entries) {
      this.#known.set(entry.key, entry);
      this.#position = Math.max(this.#position, entry.began, entry.ended ?? 0);
    }
    return this.#known;
  }

  async #end(entry: JournalEntry): Promise<void> {
    await this.#keep({ ...entry, ended: ++this.#position });
  }

  async #keep(entry: JournalEntry): Promise<void> {
    if (!(await this.#object.writeJournal(this.#task.attempt, entry))) {
      throw new AttemptAborted("lost", "the task is in another attempt");
    }
    this.#known.set(entry.key, entry);
  }

  get #object() {
    return progressObject(this.#env, this.#task.id);
  }

  async #try<T>(fn: () => Promise<T> | T, { maxAttempts = 1, retry }: StepOptions): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await fn();
      } catch (error) {
        if (failures >= maxAttempts || error instanceof NonRetryableError || this.#signal.aborted) throw error;
        await scheduler.wait(retryDelay(retryPolicy(retry), failures, Math.random()), { signal: this.#signal });
      }
    }
  }

  #given<T>(name: string, entry: JournalEntry, options: SignalOptions<T>): T {
    if (entry.signal === null) throw new SignalTimeoutError(`no signal ${JSON.stringify(name)} came in time`);
    const body: unknown = JSON.parse(entry.value ?? "null");
    return options.schema ? options.schema.parse(body) : (body as T);
  }

  /** Never resolves: the attempt ends here, unless another branch of the handler goes on. */
  async #wait(pending: Pending): Promise<never> {
    this.#pending.add(pending);
    this.#settle();
    return new Promise<never>(() => undefined);
  }

  /** Suspends once nothing is going on but waiting. */
  #settle(): void {
    if (this.#active > 0 || this.#pending.size === 0) return;
    setTimeout(() => {
      if (this.#active === 0) this.#suspended.resolve(this.#wish());
    }, 0);
  }

  #wish(): Wait {
    const pending = [...this.#pending];
    const times = pending.map((each) => each.until).filter((until) => until !== null);
    const signals = pending.flatMap((each) => (each.signal === undefined ? [] : [each.signal]));
    const tasks = pending.flatMap((each) => (each.tasks === undefined ? [] : [each.tasks]));
    const type = pending.length > 1 ? "several" : signals.length > 0 ? "signal" : tasks.length > 0 ? "tasks" : "sleep";
    return { type, until: times.length > 0 ? Math.min(...times) : null, signals, tasks, heard: this.#task.signals };
  }
}
