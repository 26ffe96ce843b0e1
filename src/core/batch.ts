/** Batches: one call of a handler serves many tasks, each of which keeps its own id, attempts and result. Pure. */

import type { z } from "zod";
import { durationMs, type Duration } from "./duration.ts";
import { MAX_BATCH_SIZE, MAX_BATCH_WAIT_MS, type Between } from "./bounds.ts";
import type { Batch, BatchContext, TaskContext, TaskDefinition } from "./task.ts";

/** In a definition: tasks gather until `size` of them are there, or the oldest has waited for `wait`; then they start together. */
export interface BatchOption {
  /** Inputs of one call at most: 1 to 500. */
  size: number;
  /** At most a day. */
  wait: Duration;
}

/**
 * Returns an entry for each input, in their order: its result, or an `Error` with which that task alone fails. If the handler
 * throws, all of the tasks fail with that error.
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

/** Stands in for `run` in the definition of a batch, which has no handler for a single input. */
export function refuseAlone(name: string): () => never {
  return () => {
    throw new TypeError(`${name} is run in batches: call \`batch.run\` with many inputs`);
  };
}

/** What is wrong with the value that a batch's handler returned for `count` inputs; null if nothing is. */
export function faultOfResults(returned: unknown, count: number): string | null {
  if (!Array.isArray(returned)) return "the handler of a batch returns an array with a result for each input";
  if (returned.length === count) return null;
  return `the handler returned ${returned.length} results for ${count} inputs`;
}
