/** The input of a handler, and its result or error as the ending of an attempt. */

import type { TaskDefinition } from "../core/task.ts";
import { durationMs } from "../core/duration.ts";
import { describeError } from "../core/errors.ts";
import { DanglingReferenceError, InputTooLargeError, ValueGoneError } from "../core/flows/value.ts";
import { MAX_PAYLOAD_BYTES, MAX_SECRET_BYTES } from "../core/bounds.ts";
import { whyLost } from "../core/lost.ts";
import { faults } from "../core/problems.ts";
import { Scrubber, takeOut } from "../core/secret.ts";
import { endingOf, type Ending } from "../core/settle.ts";
import { flowInput } from "../engine/flows/input.ts";
import { SealError } from "../engine/sealing/seal.ts";
import { openInput, sealResult } from "../engine/sealing/tasks.ts";
import { readInput, type ClaimedTask } from "../results/claim-tasks.ts";
import { triedInVain } from "../results/task-row.ts";
import { byteLength } from "../core/byte-length.ts";

/** A missing seal key may be there after the next deployment: the task is snoozed this many times, for about an hour. */
const KEY_MISSING_MS = 30_000;
const KEY_MISSING_TRIES = 120;

/** The input as the handler gets it, or the ending where there is none. `scrubber` masks the input's secrets in logs and errors. */
export async function givenTo(
  env: Env,
  definition: TaskDefinition,
  task: ClaimedTask,
): Promise<{ success: true; data: unknown; scrubber: Scrubber | null } | { success: false; ending: Ending }> {
  try {
    const text = await readInput(env.DB, task);
    const written = await openInput(env, task, text);
    const given = task.takesFromFlow === 0 ? written : await flowInput(env, task, written);
    const scrubber = definition.secret === null ? null : new Scrubber(takeOut(given, definition.secret.input).taken);
    const input = await definition.input.safeParseAsync(given);
    if (input.success) return { success: true, data: input.data, scrubber };
    const found = faults(input.error.issues, ["input"]);
    const data = scrubber === null ? found : scrubber.value(found);
    const message = "the input does not fit the schema that the task has now";
    return {
      success: false,
      ending: { outcome: "failed", error: { type: "InvalidInputError", message, data }, retryable: false },
    };
  } catch (thrown) {
    if (thrown instanceof SealError) return { success: false, ending: notOpened(task, thrown) };
    const isOfTheTask =
      thrown instanceof DanglingReferenceError ||
      thrown instanceof InputTooLargeError ||
      thrown instanceof ValueGoneError;
    if (!isOfTheTask) throw thrown;
    return { success: false, ending: { outcome: "failed", error: describeError(thrown), retryable: false } };
  }
}

function notOpened(task: ClaimedTask, thrown: SealError): Ending {
  const inVain = triedInVain(task) + 1;
  if (thrown.isKeyMissing && inVain < KEY_MISSING_TRIES) return { outcome: "snoozed", delayMs: KEY_MISSING_MS, inVain };
  const message = `what is secret in the input cannot be opened: ${thrown.message}`;
  return { outcome: "failed", error: { type: thrown.name, message }, retryable: false };
}

/** The ending, with the input's secrets masked in its error. */
export function scrubbed(ending: Ending, scrubber: Scrubber | null): Ending {
  return scrubber !== null && "error" in ending ? { ...ending, error: scrubber.value(ending.error) } : ending;
}

/** The ending for a thrown error. A definition may compute the delay itself, from the error as it was thrown. */
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

export async function checkOutput(
  env: Env,
  definition: TaskDefinition,
  tenant: string,
  output: unknown,
): Promise<Ending> {
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
  const loss = whyLost("the handler's result", parsed.data);
  if (loss !== null) return invalidOutput(loss.message, [loss.lost]);
  if (text.length > MAX_PAYLOAD_BYTES / 3) {
    // The quotes that JSON adds to a string do not count towards the limit.
    const bytes = byteLength(text) - (typeof parsed.data === "string" ? 2 : 0);
    if (bytes > MAX_PAYLOAD_BYTES) {
      const message = `the result is ${bytes} bytes long; ${MAX_PAYLOAD_BYTES} is the limit. Store it elsewhere and return its address`;
      return { outcome: "failed", error: { type: "ResultTooLargeError", message }, retryable: false };
    }
  }
  if (definition.secret === null || definition.secret.output.length === 0)
    return { outcome: "succeeded", result: text };
  const { text: result, sealed, taken } = await sealResult(env, definition, tenant, JSON.parse(text));
  if (byteLength(JSON.stringify(taken)) > MAX_SECRET_BYTES) {
    const message = `the secret fields of a result may be ${MAX_SECRET_BYTES} bytes long together`;
    return { outcome: "failed", error: { type: "ResultTooLargeError", message }, retryable: false };
  }
  return { outcome: "succeeded", result, sealed };
}

export function invalidOutput(message: string, data?: unknown): Ending {
  const error = { type: "invalid_output", message, ...(data === undefined ? {} : { data }) };
  return { outcome: "failed", error, retryable: false };
}
