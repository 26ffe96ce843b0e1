/** How a user defines a task: a name, schemas of its input and its output, and a function. */

import type { z } from "zod";
import { batchOf, refuseAlone, type BatchOption, type Handler } from "./batch.ts";
import { circuitOf, type CircuitOption } from "./circuit.ts";
import { concurrencyOf, type ConcurrencyOption } from "./concurrency.ts";
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
} from "./bounds.ts";
import { retrySchema, type RetryFunction, type RetryOptions } from "./retry.ts";
import { secretsOf, type SecretOption } from "./secret.ts";
import { rateLimitOf, type CacheOption, type RateOption } from "./share.ts";
import type { Batch, TaskDefinition } from "./task.ts";

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
  /** The task fails when this many attempts have failed. Default 3. */
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
   * How long the worker may send no heartbeat before its attempt counts as lost. Default 17 s. Declare
   * more for a handler that computes longer than that without awaiting anything.
   */
  lease?: Duration;
  /**
   * At most `limit` of these run at once, exactly, over all isolates; with several limits, each must have a
   * free slot. With `key`, a function of the input, the limit applies to each key by itself.
   */
  concurrency?: ConcurrencyOption<z.output<Input>> | ConcurrencyOption<z.output<Input>>[];
  /** Limits the starts per time. Holds for manual retries and later attempts too. */
  rateLimit?: RateOption<z.output<Input>>;
  /** Holds its tasks back for a while when they fail too often. Failures are counted over all isolates. Without it nothing is held back. */
  circuit?: CircuitOption;
  /**
   * Single flight: a submission with the same input as a task that has not ended, or whose result is fresh, gets that task.
   * Only submissions share; members of flows, children and ticks of schedules always run.
   */
  cache?: CacheOption;
  /**
   * Fields of the input that only the handler sees: sealed at rest, shown as `•••`. RFC 6901
   * pointers, such as `["/headers/authorization"]`, or `{ input, output }` where the result has some, too.
   */
  secret?: SecretOption;
  /**
   * Its tasks are found by words of their inputs (the first 4,000 characters, without what is secret), tags and error messages:
   * `GET /v1/tasks?q=`. Costs a task up to two written rows more, and one when it is removed.
   */
  searchable?: boolean;
  /** One call of the handler for many tasks, each of which keeps an id, attempts and a result of its own. */
  batch?: B;
  run: Handler<Input, Output, B>;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

/**
 * Defines a task. Throws a `RangeError` at once where an option makes no sense, so that a mistake
 * shows at start and not later.
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
  if (!NAME.test(name)) {
    const rule = "up to 100 letters, digits, dots, dashes and underscores, the first a letter, digit or underscore";
    throw new RangeError(`not a task name: ${JSON.stringify(name)}; a name has ${rule}`);
  }
  if (!LANES.includes(lane)) {
    throw new RangeError(`task ${name}: no lane ${JSON.stringify(lane)}; the lanes are ${LANES.join(", ")}`);
  }
  for (const end of ["input", "output"] as const) {
    // Only TypeScript refuses a definition without one, and not every project is checked by it.
    if (typeof (options[end] as z.ZodType | undefined)?.safeParseAsync !== "function")
      throw new RangeError(`task ${name}: no ${end} schema; give one, or ${end}: z.unknown() where anything will do`);
  }
  if (typeof options.run !== "function") throw new RangeError(`task ${name}: no run; give the function that does it`);
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
    searchable: options.searchable ?? false,
    batch: options.batch === undefined ? null : batchOf(options.batch, run as Batch["run"], limits, between),
    run: options.batch === undefined ? (run as Handler<Input, Output>) : refuseAlone(name),
  };
}
