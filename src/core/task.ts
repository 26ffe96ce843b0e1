/** What a task is in code: its definition, and what its handler gets. Types alone. */

import type { z } from "zod";
import type { Circuit } from "./circuit.ts";
import type { ConcurrencyLimit } from "./concurrency.ts";
import type { Duration } from "./duration.ts";
import type { Lane } from "./bounds.ts";
import type { RetryFunction, RetryOptions } from "./retry.ts";
import type { SecretPaths } from "./secret.ts";
import type { RateLimit } from "./share.ts";

/** The latest progress of a task. `percent` is null where `total` is unknown. */
export interface Progress {
  done: number;
  total: number | null;
  percent: number | null;
  message: string | null;
  data: unknown;
  /** ISO 8601, UTC. */
  at: string;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** A step that fails may be tried again by itself before its error reaches the handler. */
export interface TryOptions {
  /** Tries of this step within an attempt, and of its undoing. Default 1: the attempt's own retry is enough. */
  maxAttempts?: number;
  retry?: RetryOptions;
}

export interface StepOptions<T = unknown> extends TryOptions {
  /**
   * Takes back what the step did, given its result. Runs when the task has finally failed, or was cancelled with
   * `undo`; the last step is undone first, and each undo is remembered like a step. Plain code: it may use `ctx.signal` and
   * report progress, but must not call steps, waits or children.
   */
  undo?: (result: T) => unknown;
}

export interface SignalOptions<T> {
  timeout?: Duration;
  /** What the signal's body must be. A signal that does not fit is skipped, with a warning in the task's log, and the wait goes on. */
  schema?: z.ZodType<T>;
}

/** How a child differs from its definition. */
export interface SpawnOptions {
  lane?: Lane;
  delay?: Duration;
  maxAttempts?: number;
  tags?: Record<string, string>;
}

/** A task that a handler has spawned. */
export interface Child<T = unknown> {
  readonly id: string;
  /** Only its type is of use: it gives `join` its result type. */
  readonly task: T;
}

export type InputOf<T> = T extends TaskDefinition<string, infer Input> ? z.input<Input> : unknown;

export type OutputOf<T> = T extends TaskDefinition<string, z.ZodType, infer Output> ? z.output<Output> : unknown;

/** What a handler gets beside its input. */
export interface TaskContext {
  /** The task's id: the same for every attempt. Use it to make your own effects idempotent. */
  readonly id: string;
  /** Number of this attempt, from 1; it counts every start, also after crashes and manual retries. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** Aborts with an `AttemptAborted` when the task is cancelled, times out, or was lost to another attempt. */
  readonly signal: AbortSignal;
  /** The Worker's bindings. */
  readonly env: Env;
  readonly tenant: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly parentId: string | null;
  readonly rootId: string;
  readonly flowId: string | null;
  /** W3C Trace Context of the submission, to pass on to what the handler calls. */
  readonly traceparent: string | null;
  /**
   * Tells listeners how far the work is. Cheap to call often: at most four a second are sent, the
   * last one always. Never goes backwards within an attempt.
   */
  progress(done: number, total?: number | null, message?: string | null, data?: unknown): void;
  /** Adds a line to the task's events; kept for an hour after its end. */
  log(message: string, data?: unknown, level?: LogLevel): void;
  /** Streams a part of the result to listeners before the whole is there. Any JSON value. */
  output(chunk: unknown): void;
  /**
   * Runs `fn` once and remembers its result (JSON, so a `Date` in it becomes a text): when the task goes on after a crash, a retry or a
   * wait, the step is skipped and its result is at hand. Names and their order must be the same in
   * every attempt; a handler that has changed them meanwhile fails with a `StepMismatchError`. A step that failed,
   * and whose error the handler caught, throws it again: with its name, message and data, but not its class.
   */
  step<T>(name: string, fn: () => Promise<T> | T, options?: StepOptions<T>): Promise<T>;
  /**
   * Waits, up to a year, without holding a worker. A duration, or the `Date` to wake at. Work that goes on
   * beside a wait belongs in a step: once only waits are left, the attempt ends.
   */
  sleep(until: Duration | Date): Promise<void>;
  /**
   * Waits for a signal of this name (`POST /v1/tasks/{id}/signals/{name}`) without holding a worker; a signal that came before
   * the wait counts, and each signal is given to one wait. After a manual retry all of them are available again. Throws a
   * `SignalTimeoutError` when `timeout` passes first. A name is 1 to 100 letters, digits, `_`, `.` and `-`; any other throws a
   * `NonRetryableError`, because such a signal cannot be sent.
   */
  waitForSignal<T = unknown>(name: string, options?: SignalOptions<T>): Promise<T>;
  /**
   * An address that sends this task the signal `name` when it gets a POST: no key needed, once,
   * within a day or `expiresIn`. For approvals by people and answers of other services.
   */
  callbackUrl(name: string, options?: { expiresIn?: Duration }): Promise<string>;
  /** Submits a child task and goes on; spawning is remembered like a step. Cancelling this task cancels the child. */
  spawn<T extends TaskDefinition | string>(task: T, input: InputOf<T>, options?: SpawnOptions): Promise<Child<T>>;
  /** Waits for a child's result without holding a worker. Throws a `ChildFailedError` when it did not succeed. */
  join<T extends TaskDefinition | string>(child: Child<T>): Promise<OutputOf<T>>;
  /** `spawn` and `join` in one. */
  call<T extends TaskDefinition | string>(task: T, input: InputOf<T>, options?: SpawnOptions): Promise<OutputOf<T>>;
  /** Calls one task for each input, side by side; the results come in the order of the inputs. */
  callAll<T extends TaskDefinition | string>(
    task: T,
    inputs: InputOf<T>[],
    options?: SpawnOptions,
  ): Promise<OutputOf<T>[]>;
  /** Gives the attempt back: the task starts again after `delay`, and no attempt was used up. Never returns. */
  snooze(delay: Duration): never;
  /**
   * For an upstream that answers 429: nothing under this task's rate limit (with a key, under its key) starts before
   * `delay` is over, and the attempt is given back as by `snooze`. Without a `rateLimit` only this task waits. Never returns.
   */
  rateLimited(delay: Duration): never;
}

/** A task as the system knows it: the options with every default filled in, durations in milliseconds. */
export interface TaskDefinition<
  Name extends string = string,
  Input extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
> {
  readonly name: Name;
  readonly description: string;
  readonly input: Input;
  readonly output: Output;
  readonly retry: RetryOptions | RetryFunction;
  readonly maxAttempts: number;
  readonly timeoutMs: number;
  readonly softTimeoutMs: number | null;
  readonly lane: Lane;
  readonly retentionMs: number;
  readonly leaseMs: number | null;
  readonly rateLimit: RateLimit | null;
  readonly cacheMs: number | null;
  readonly circuit: Circuit | null;
  readonly concurrency: readonly ConcurrencyLimit[];
  /** Null where no field is secret. */
  readonly secret: SecretPaths | null;
  /** Whether a search finds its tasks by their words. */
  readonly searchable: boolean;
  /** Set for a batch; then its `run` is called instead of the one below. */
  readonly batch: Batch | null;
  // A method, so that definitions of different inputs fit one list.
  run(input: z.output<Input>, ctx: TaskContext): Promise<z.input<Output>> | z.input<Output>;
}

/** One task of a batch, as its handler sees it. */
export type BatchItem = Pick<
  TaskContext,
  | "id"
  | "attempt"
  | "maxAttempts"
  /** Aborts when this task is cancelled, times out, or was lost; a result that the handler then returns for it is ignored. */
  | "signal"
  | "tags"
  | "parentId"
  | "rootId"
  | "flowId"
  | "traceparent"
  | "progress"
  | "log"
  | "output"
>;

/** What the handler of a batch gets beside its inputs. There are no steps and no waits: a step or a wait belongs to one task. */
export interface BatchContext extends Pick<TaskContext, "env" | "tenant"> {
  /** Aborts when every task of the batch was cancelled, timed out, or was lost. */
  readonly signal: AbortSignal;
  /** The tasks, in the order of the inputs. All are one tenant's. */
  readonly items: readonly BatchItem[];
  /** Tells the listeners of every task. */
  progress: TaskContext["progress"];
  /** Adds a line to the events of every task. */
  log: TaskContext["log"];
}

/** A batch as a definition holds it. */
export interface Batch {
  readonly size: number;
  readonly waitMs: number;
  run(inputs: unknown[], ctx: BatchContext): unknown;
}
