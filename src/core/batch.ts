/** Batches: tasks of their own, whose handler is called once for many of them. Pure. */

import type { z } from "zod";
import type { DefinitionOptions, TaskContext, TaskDefinition } from "./define-task.ts";
import { durationMs, type Duration } from "./duration.ts";
import { MAX_BATCH_SIZE, MAX_BATCH_WAIT_MS, type Between } from "./limits.ts";

/** In a definition: tasks gather until `size` of them are there, or the oldest has waited for `wait`; then they start together. */
export interface BatchOption {
  /** Inputs of one call at most: 1 to 500. */
  size: number;
  /** At most a day. */
  wait: Duration;
}

/** One task of a batch, as its handler sees it. */
export type BatchItem = Pick<
  TaskContext,
  | "id"
  | "attempt"
  | "maxAttempts"
  /** Aborts when this task is cancelled, times out, or was lost; whatever the handler then gives for it, its end stands. */
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

/** What the handler of a batch gets beside its inputs. There are no steps and no waits: each would be one of many tasks. */
export interface BatchContext extends Pick<TaskContext, "env" | "tenant"> {
  /** Aborts when there is nobody left to work for: each of the tasks was cancelled, timed out, or was lost. */
  readonly signal: AbortSignal;
  /** The tasks, in the order of the inputs. All are one tenant's. */
  readonly items: readonly BatchItem[];
  /** Tells the listeners of every task. */
  progress: TaskContext["progress"];
  /** Adds a line to the events of every task. */
  log: TaskContext["log"];
}

/** What `defineTask` takes for a batch. */
export interface BatchTaskOptions<
  Name extends string,
  Input extends z.ZodType,
  Output extends z.ZodType,
> extends DefinitionOptions<Name, Input, Output> {
  batch: BatchOption;
  /**
   * Answers for each input, in their order: its result, or an `Error` with which that task alone fails. What it throws
   * is the error of all of them.
   */
  run(inputs: z.output<Input>[], ctx: BatchContext): Promise<BatchResults<Output>> | BatchResults<Output>;
}

export type BatchResults<Output extends z.ZodType> = readonly (z.input<Output> | Error)[];

/** A batch as a definition holds it. */
export interface Batch {
  readonly size: number;
  readonly waitMs: number;
  run(inputs: unknown[], ctx: BatchContext): unknown;
}

/** Throws a `RangeError` where one of the definition's limits would never let a whole batch start. */
export function batchOf<Input extends z.ZodType, Output extends z.ZodType>(
  options: BatchTaskOptions<string, Input, Output>,
  limits: Pick<TaskDefinition, "concurrency" | "rateLimit">,
  between: Between,
): Batch {
  const size = between("batch.size", options.batch.size, 1, MAX_BATCH_SIZE);
  for (const { limit, key } of limits.concurrency) {
    if (key === undefined) between("concurrency.limit, as a batch starts as a whole,", limit, size, Infinity);
  }
  const { rateLimit } = limits;
  if (rateLimit !== null && rateLimit.key === undefined) {
    between("rateLimit.burst, as a batch starts as a whole,", rateLimit.burst, size, Infinity);
  }
  return {
    size,
    waitMs: between("batch.wait", durationMs(options.batch.wait), 1, MAX_BATCH_WAIT_MS),
    run: options.run.bind(options) as Batch["run"],
  };
}

/** What is wrong with what a handler returned for so many inputs; null: nothing. */
export function faultOfResults(returned: unknown, count: number): string | null {
  if (!Array.isArray(returned)) return "the handler of a batch returns an array with a result for each input";
  if (returned.length === count) return null;
  return `the handler returned ${returned.length} results for ${count} inputs`;
}
