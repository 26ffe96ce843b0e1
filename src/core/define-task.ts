/** How a user writes a task: a name, a schema on both ends, and a function. */

import type { z } from "zod";
import { batchOf, refuseAlone, type Batch, type BatchOption, type Handler } from "./batch.ts";
import { circuitOf, type Circuit, type CircuitOption } from "./circuit.ts";
import { concurrencyOf, type ConcurrencyLimit, type ConcurrencyOption } from "./concurrency.ts";
import type { Duration } from "./duration.ts";
import { durationMs } from "./duration.ts";
import {
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_RETENTION_MS,
  DEFAULT_TIMEOUT_MS,
  LANES,
  MAX_ATTEMPTS,
  MAX_RETENTION_MS,
  MAX_TIMEOUT_MS,
  MIN_RETENTION_MS,
  type Between,
  type Lane,
} from "./limits.ts";
import { retrySchema, type RetryFunction, type RetryOptions } from "./retry.ts";
import { secretsOf, type SecretOption, type SecretPaths } from "./secret.ts";
import { rateLimitOf, type CacheOption, type RateLimit, type RateOption } from "./share.ts";

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
   * `undo`: the last step's first, each remembered like a step. Plain code: it may use `ctx.signal` and tell of its
   * progress, but begin nothing durable.
   */
  undo?: (result: T) => unknown;
}

export interface SignalOptions<T> {
  timeout?: Duration;
  /** What the signal's body must be. One that does not fit is passed over, with a warning in the task's log, and the wait goes on. */
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
  /** Only its type is of use: it tells what `join` gives. */
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
   * Runs `fn` once and remembers its result (JSON): when the task goes on after a crash, a retry or a
   * wait, the step is skipped and its result is at hand. Names and their order must be the same in
   * every attempt; a handler that has changed them meanwhile fails with a `StepMismatchError`. A step that failed,
   * and whose error the handler caught, throws it again: with its name, message and data, but not its class.
   */
  step<T>(name: string, fn: () => Promise<T> | T, options?: StepOptions<T>): Promise<T>;
  /**
   * Waits, up to a year, without holding a worker. A duration, or the `Date` to wake at. What goes on
   * beside a wait belongs in a step: once only waits are left, the attempt ends.
   */
  sleep(until: Duration | Date): Promise<void>;
  /**
   * Waits for a signal of this name (`POST /v1/tasks/{id}/signals/{name}`) without holding a worker;
   * one that came before it was asked for counts, and each is given to one wait. A manual retry begins with all of
   * them again. Throws a `SignalTimeoutError` when `timeout` passes first. A name is 1 to 100 letters, digits, `_`, `.`
   * and `-`; another is a `NonRetryableError`, because such a signal cannot be sent.
   */
  waitForSignal<T = unknown>(name: string, options?: SignalOptions<T>): Promise<T>;
  /**
   * An address that sends this task the signal `name` when somebody POSTs to it: no key needed, once,
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

/** What `defineTask` takes. */
export interface TaskOptions<
  Name extends string,
  Input extends z.ZodType,
  Output extends z.ZodType,
  B extends BatchOption | undefined = undefined,
> {
  /** Letters, digits, `_`, `-` and `.`, at most 100. Part of your API: callers submit by it. */
  name: Name;
  description?: string;
  input: Input;
  output: Output;
  /** How long to wait before another attempt: a policy, or a function of the failure. */
  retry?: RetryOptions | RetryFunction;
  /** Starts that may fail before the task does. Default 3. */
  maxAttempts?: number;
  /** Hard limit of one attempt. Default 25 s; at most 14 min. */
  timeout?: Duration;
  /** Soft limit: `ctx.signal` aborts, and the handler may still finish until the hard limit. */
  softTimeout?: Duration;
  /** The queue it runs on. Default `default`. */
  lane?: Lane;
  /** How long the ended task is kept. Default 7 days. */
  retention?: Duration;
  /**
   * How long the worker may be deaf before its attempt counts as lost. Default 17 s. Declare more
   * for a handler that computes longer than that without awaiting anything.
   */
  lease?: Duration;
  /**
   * At most `limit` of these run at once, exactly, over all isolates; several limits must all leave a
   * place. With `key`, a function of the input, the limit is each key's own.
   */
  concurrency?: ConcurrencyOption<z.output<Input>> | ConcurrencyOption<z.output<Input>>[];
  /** At most so many starts per time. Holds for manual retries and later attempts too. */
  rateLimit?: RateOption<z.output<Input>>;
  /** Holds its tasks back for a while when they fail too often. Counted over all isolates; nothing without it. */
  circuit?: CircuitOption;
  /**
   * Single flight: the same input is not run again while it is under way, or its result is fresh. It answers submissions;
   * members of flows, children and ticks of schedules are runs of their own and always run.
   */
  cache?: CacheOption;
  /**
   * Fields of the input that nobody but the handler sees: sealed where they are stored, and shown as `•••`. RFC 6901
   * pointers, such as `["/headers/authorization"]`, or `{ input, output }` where the result has some, too.
   */
  secret?: SecretOption;
  /** One call of the handler for many tasks, each of which keeps an id, attempts and a result of its own. */
  batch?: B;
  run: Handler<Input, Output, B>;
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
  /** Null where nothing of it is secret. */
  readonly secret: SecretPaths | null;
  /** Where it is one, its `run` stands in for the other. */
  readonly batch: Batch | null;
  // A method, so that definitions of different inputs fit one list.
  run(input: z.output<Input>, ctx: TaskContext): Promise<z.input<Output>> | z.input<Output>;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

/**
 * Defines a task. Throws a `RangeError` at once where an option makes no sense, so that a mistake
 * shows at start and not at three in the morning.
 *
 * @example
 * export const add = defineTask({
 *   name: "add",
 *   input: z.object({ x: z.number(), y: z.number() }),
 *   output: z.number(),
 *   run: ({ x, y }) => x + y,
 * });
 */
export function defineTask<
  const Name extends string,
  Input extends z.ZodType,
  Output extends z.ZodType,
  B extends BatchOption | undefined = undefined,
>(options: TaskOptions<Name, Input, Output, B>): TaskDefinition<Name, Input, Output> {
  const { name, lane = "default" } = options;
  if (!NAME.test(name)) throw new RangeError(`not a task name: ${JSON.stringify(name)}`);
  if (!LANES.includes(lane)) throw new RangeError(`task ${name}: no lane ${JSON.stringify(lane)}`);
  const between: Between = (what, value, min, max) => {
    if (!(value >= min && value <= max))
      throw new RangeError(`task ${name}: ${what} must be ${min} to ${max}, is ${value}`);
    return value;
  };
  const { retry = {} } = options;
  const refused = typeof retry === "function" ? undefined : retrySchema.safeParse(retry).error?.issues[0];
  if (refused) throw new RangeError(`task ${name}: retry.${refused.path.join(".")}: ${refused.message}`);
  const limits = {
    rateLimit: options.rateLimit === undefined ? null : rateLimitOf(options.rateLimit, between),
    concurrency: concurrencyOf(options.concurrency, between),
  };
  const run: unknown = options.run.bind(options);
  const timeoutMs = between("timeout", durationMs(options.timeout ?? DEFAULT_TIMEOUT_MS), 1, MAX_TIMEOUT_MS);
  return {
    name,
    description: options.description ?? "",
    input: options.input,
    output: options.output,
    retry,
    maxAttempts: between("maxAttempts", options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS, 1, MAX_ATTEMPTS),
    timeoutMs,
    softTimeoutMs:
      options.softTimeout === undefined ? null : between("softTimeout", durationMs(options.softTimeout), 1, timeoutMs),
    lane,
    retentionMs: between(
      "retention",
      durationMs(options.retention ?? DEFAULT_RETENTION_MS),
      MIN_RETENTION_MS,
      MAX_RETENTION_MS,
    ),
    leaseMs: options.lease === undefined ? null : between("lease", durationMs(options.lease), 1_000, MAX_TIMEOUT_MS),
    rateLimit: limits.rateLimit,
    cacheMs:
      options.cache === undefined ? null : between("cache.ttl", durationMs(options.cache.ttl), 1, MAX_RETENTION_MS),
    circuit: options.circuit === undefined ? null : circuitOf(options.circuit, between),
    concurrency: limits.concurrency,
    secret: secretsOf(name, options.secret),
    batch: options.batch === undefined ? null : batchOf(options.batch, run as Batch["run"], limits, between),
    run: options.batch === undefined ? (run as Handler<Input, Output>) : refuseAlone(name),
  };
}
