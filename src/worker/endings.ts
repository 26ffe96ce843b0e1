/** What a handler is given and what it gave, as the ending of an attempt. */

import type { TaskDefinition } from "../core/define-task.ts";
import { durationMs } from "../core/duration.ts";
import { describeError } from "../core/errors.ts";
import { DanglingReferenceError, InputTooLargeError } from "../core/flow-value.ts";
import { MAX_PAYLOAD_BYTES } from "../core/limits.ts";
import { faults } from "../core/problems.ts";
import { endingOf, type Ending } from "../core/settle.ts";
import { flowInput } from "../engine/flow-input.ts";
import { readInput, type ClaimedTask } from "../results/claim-tasks.ts";
import { byteLength } from "../results/insert-tasks.ts";

/** Its input as its handler gets it, or the ending of an attempt that cannot have one. */
export async function givenTo(
  env: Env,
  definition: TaskDefinition,
  task: ClaimedTask,
): Promise<{ success: true; data: unknown } | { success: false; ending: Ending }> {
  try {
    const text = await readInput(env.DB, task);
    const written: unknown = text === null ? undefined : JSON.parse(text);
    const given = task.takesFromFlow === 0 ? written : await flowInput(env, task, written);
    const input = await definition.input.safeParseAsync(given);
    if (input.success) return { success: true, data: input.data };
    const data = faults(input.error.issues, ["input"]);
    const message = "the input does not fit the schema that the task has now";
    return {
      success: false,
      ending: { outcome: "failed", error: { type: "InvalidInputError", message, data }, retryable: false },
    };
  } catch (thrown) {
    if (!(thrown instanceof DanglingReferenceError || thrown instanceof InputTooLargeError)) throw thrown;
    return { success: false, ending: { outcome: "failed", error: describeError(thrown), retryable: false } };
  }
}

/** A definition may compute its delays itself; it gets the error as it was thrown. */
export function withDelay(definition: TaskDefinition, task: ClaimedTask, thrown: unknown): Ending {
  const ending = endingOf(thrown);
  if (ending.outcome !== "failed" || ending.delayMs !== undefined || typeof definition.retry !== "function")
    return ending;
  try {
    const delay = definition.retry({ failures: task.failures + 1, error: thrown });
    return delay === null ? { ...ending, retryable: false } : { ...ending, delayMs: durationMs(delay) };
  } catch {
    // A fault in the user's function must not cost the task its retries.
    return ending;
  }
}

export async function checkOutput(definition: TaskDefinition, output: unknown): Promise<Ending> {
  const parsed = await definition.output.safeParseAsync(output);
  if (!parsed.success) {
    const data = faults(parsed.error.issues);
    return invalidOutput("the handler's result does not fit the task's output schema", data);
  }
  let text: string;
  try {
    text = JSON.stringify(parsed.data) ?? "null";
  } catch (error) {
    return invalidOutput(`the handler's result is not JSON: ${String(error)}`);
  }
  if (text.length > MAX_PAYLOAD_BYTES / 3) {
    // A text of exactly the limit fits: its quotes are ours.
    const bytes = byteLength(text) - (typeof parsed.data === "string" ? 2 : 0);
    if (bytes > MAX_PAYLOAD_BYTES) {
      const message = `the result is ${bytes} bytes long; ${MAX_PAYLOAD_BYTES} is the limit. Store it elsewhere and return where`;
      return { outcome: "failed", error: { type: "ResultTooLargeError", message }, retryable: false };
    }
  }
  return { outcome: "succeeded", result: text };
}

export function invalidOutput(message: string, data?: unknown): Ending {
  const error = { type: "invalid_output", message, ...(data === undefined ? {} : { data }) };
  return { outcome: "failed", error, retryable: false };
}
