/** Checks a handler's input and its result in a plain unit test, by the schemas of its definition. */

import type { TaskDefinition } from "../core/task.ts";
import { durationMs } from "../core/duration.ts";
import type { TaskError } from "../core/errors.ts";
import { whyLost } from "../core/lost.ts";
import { faults } from "../core/problems.ts";
import { endingOf } from "../core/settle.ts";
import { plain } from "./fake-durable.ts";

/** How an attempt ended, as its handler returned or threw. */
export interface Ended<Result> {
  outcome: "succeeded" | "failed";
  /** As its caller reads it; null unless it succeeded. */
  result: Result | null;
  /** As its caller reads it; null unless it failed. */
  error: TaskError | null;
  /** Whether another attempt would follow, if any is left; null unless it failed. */
  retryable: boolean | null;
  /** The delay before it, where the handler or the definition sets one; null: by the policy. */
  retryAfterMs: number | null;
}

/** The input as the handler gets it. Throws a `TypeError` where the service would not take it. */
export async function accepted(definition: TaskDefinition, input: unknown): Promise<unknown> {
  const parsed = await definition.input.safeParseAsync(input === undefined ? undefined : plain(input));
  if (parsed.success) return parsed.data;
  const where = faults(parsed.error.issues, ["input"]).map((fault) => `${fault.pointer}: ${fault.detail}`);
  throw new TypeError(`the input does not fit the schema of ${definition.name}: ${where.join("; ")}`);
}

export async function returned(definition: TaskDefinition, result: unknown): Promise<Ended<unknown>> {
  const output = await definition.output.safeParseAsync(result);
  if (!output.success) {
    return invalid("the handler's result does not fit the task's output schema", faults(output.error.issues));
  }
  const loss = whyLost("the handler's result", output.data);
  if (loss !== null) return invalid(loss.message, [loss.lost]);
  return { outcome: "succeeded", result: plain(output.data), error: null, retryable: null, retryAfterMs: null };
}

export function invalid(message: string, data?: unknown): Ended<unknown> {
  const error = { type: "invalid_output", message, ...(data === undefined ? {} : { data }) };
  return { outcome: "failed", result: null, error, retryable: false, retryAfterMs: null };
}

export function threw({ retry }: TaskDefinition, thrown: unknown): Ended<unknown> {
  const ending = endingOf(thrown);
  if (ending.outcome !== "failed") throw thrown;
  const { outcome, error, retryable, delayMs } = ending;
  const failed = { outcome, result: null, error };
  if (!retryable || delayMs !== undefined || typeof retry !== "function") {
    return { ...failed, retryable, retryAfterMs: delayMs ?? null };
  }
  const delay = retry({ failures: 1, error: thrown });
  return { ...failed, retryable: delay !== null, retryAfterMs: delay === null ? null : durationMs(delay) };
}
