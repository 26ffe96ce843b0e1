/** Batches: tasks of their own, whose handler is called once for many of them. Pure. */

import type { z } from "zod";
import type { TaskContext, TaskDefinition } from "./define-task.ts";
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

/**
 * Answers for each input, in their order: its result, or an `Error` with which that task alone fails. What it throws is
 * the error of all of them.
 */
export type BatchHandler<Input extends z.ZodType, Output extends z.ZodType> = (
  inputs: z.output<Input>[],
  ctx: BatchContext,
) => Promise<BatchResults<Output>> | BatchResults<Output>;

export type BatchResults<Output extends z.ZodType> = readonly (z.input<Output> | Error)[];

/** What runs a task, or a batch of them. */
export type Handler<
  Input extends z.ZodType,
  Output extends z.ZodType,
  B extends BatchOption | undefined = undefined,
> = B extends BatchOption
  ? BatchHandler<Input, Output>
  : (input: z.output<Input>, ctx: TaskContext) => Promise<z.input<Output>> | z.input<Output>;

/** A batch as a definition holds it. */
export interface Batch {
  readonly size: number;
  readonly waitMs: number;
  run(inputs: unknown[], ctx: BatchContext): unknown;
}

/** Throws a `RangeError` where one of the definition's limits would never let a whole batch start. */
export function batchOf(
  option: BatchOption,
  run: Batch["run"],
  { concurrency, rateLimit }: Pick<TaskDefinition, "concurrency" | "rateLimit">,
  between: Between,
): Batch {
  const size = between("batch.size", option.size, 1, MAX_BATCH_SIZE);
  for (const { limit, key } of concurrency) {
    if (key === undefined) between("concurrency.limit, as a batch starts as a whole,", limit, size, Infinity);
  }
  if (rateLimit !== null && rateLimit.key === undefined) {
    between("rateLimit.burst, as a batch starts as a whole,", rateLimit.burst, size, Infinity);
  }
  return { size, waitMs: between("batch.wait", durationMs(option.wait), 1, MAX_BATCH_WAIT_MS), run };
}

/** In the place of a handler for one. */
export function refuseAlone(name: string): () => never {
  return () => {
    throw new TypeError(`${name} is run in batches: call \`batch.run\` with many inputs`);
  };
}

/** What is wrong with what a handler returned for so many inputs; null: nothing. */
export function faultOfResults(returned: unknown, count: number): string | null {
  if (!Array.isArray(returned)) return "the handler of a batch returns an array with a result for each input";
  if (returned.length === count) return null;
  return `the handler returned ${returned.length} results for ${count} inputs`;
}
