/**
 * One attempt in an invocation of its own, reached through the Worker's binding to itself: it has
 * its own CPU limit and connections, and when it dies its siblings live.
 */

import { WorkerEntrypoint } from "cloudflare:workers";
import type { TaskDefinition } from "../core/define-task.ts";
import { durationMs } from "../core/duration.ts";
import { AttemptAborted, describeError } from "../core/errors.ts";
import { DanglingReferenceError } from "../core/flow-value.ts";
import { MAX_PAYLOAD_BYTES } from "../core/limits.ts";
import { faults } from "../core/problems.ts";
import { endingOf, type Ending } from "../core/settle.ts";
import type { Undoing } from "../core/undo.ts";
import { flowInput } from "../engine/flow-input.ts";
import type { RunOptions } from "../engine/prepare.ts";
import { holdBack } from "../results/buckets.ts";
import { readInput, type ClaimedTask } from "../results/claim-tasks.ts";
import { byteLength } from "../results/insert-tasks.ts";
import { jsonOf } from "../results/task-row.ts";
import { createContext, RateLimited, Snoozed } from "./context.ts";
import type { AttemptControl } from "./control.ts";
import { findDefinition } from "./definitions.ts";
import { Durable } from "./durable.ts";
import { Reporter } from "./reporter.ts";

/** How an attempt went, and what its row should keep of it. */
export interface Ran {
  ending: Ending;
  /** JSON text of the last progress. */
  progress: string | null;
  /** Whether the progress object holds something of the attempt. */
  used: boolean;
}

/** Attempts shorter than this never ask whether they are to stop. */
const LISTEN_AFTER_MS = 100;

/** A task that this version of the Worker does not know yet is tried again after this. */
const UNKNOWN_TASK_MS = 10_000;

/** … and fails when nobody has known it for this many times, about an hour. */
const UNKNOWN_TASK_TRIES = 360;

export class AttemptRunner extends WorkerEntrypoint<Env> {
  /** Runs the handler to its end. Never throws for what a handler does. */
  async run(task: ClaimedTask, control: AttemptControl): Promise<Ran> {
    const definition = findDefinition(task.task, this.env);
    if (!definition) return { ending: unknownTask(task), progress: null, used: false };

    const abort = new AbortController();
    const reporter = new Reporter(this.env, task);
    const listening = setTimeout(() => void listen(control, abort, reporter), LISTEN_AFTER_MS);
    try {
      const durable = new Durable(this.env, task, abort.signal, yieldAfter(task, definition), reporter, () => {
        // Lost with its supervisor, who then does not end it either.
        void control.undoable().catch(() => undefined);
      });
      const ending = await handle(this.env, definition, task, abort.signal, reporter, durable);
      await reporter.finish();
      return {
        ending,
        progress: reporter.progress === null ? null : JSON.stringify(reporter.progress),
        used: reporter.used || durable.used,
      };
    } finally {
      clearTimeout(listening);
    }
  }
}

async function listen(control: AttemptControl, abort: AbortController, reporter: Reporter): Promise<void> {
  try {
    const { cause, message, isWatched = false } = await control.stopped();
    abort.abort(new AttemptAborted(cause, message));
    if (cause === "cancelled" && (isWatched || reporter.used)) reporter.tellAcknowledged();
  } catch {
    // The supervisor is gone and its leases run out: whatever this attempt still does is fenced.
    abort.abort(new AttemptAborted("lost", "the attempt lost its worker"));
  }
}

async function handle(
  env: Env,
  definition: TaskDefinition,
  task: ClaimedTask,
  signal: AbortSignal,
  reporter: Reporter,
  durable: Durable,
): Promise<Ending> {
  try {
    const text = await readInput(env.DB, task);
    const written: unknown = text === null ? undefined : JSON.parse(text);
    const given = task.takesFromFlow === 0 ? written : await flowInput(env, task, written);
    const input = await definition.input.safeParseAsync(given);
    if (!input.success) {
      const data = faults(input.error.issues, ["input"]);
      const message = "the input does not fit the schema that the task has now";
      return { outcome: "failed", error: { type: "InvalidInputError", message, data }, retryable: false };
    }
    const context = createContext(env, task, signal, reporter, durable);
    if (task.undo !== null) {
      const replay = async () => definition.run(input.data, context);
      const failures = await durable.undo(replay);
      return { outcome: "undone", undoing: JSON.parse(task.undo) as Undoing, failures };
    }
    const wait = durable.suspended.then((wish): Ending => ({ outcome: "suspended", wait: wish }));
    const run = async () => checkOutput(definition, await definition.run(input.data, context));
    return await Promise.race([run(), wait]);
  } catch (thrown) {
    if (thrown instanceof DanglingReferenceError) {
      return { outcome: "failed", error: describeError(thrown), retryable: false };
    }
    if (thrown instanceof RateLimited) await holdBack(env.DB, task.id, task.attempt, Date.now() + thrown.delayMs);
    if (thrown instanceof Snoozed) return { outcome: "snoozed", delayMs: thrown.delayMs };
    return withDelay(definition, task, thrown);
  }
}

/** Durable work has no total limit: past half of its attempt's time, the next step begins a new one. */
function yieldAfter(task: ClaimedTask, definition: TaskDefinition): number {
  const options = jsonOf<RunOptions>(task.options) ?? {};
  return task.startedAt + (options.timeoutMs ?? definition.timeoutMs) / 2;
}

/** A definition may compute its delays itself; it gets the error as it was thrown. */
function withDelay(definition: TaskDefinition, task: ClaimedTask, thrown: unknown): Ending {
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

async function checkOutput(definition: TaskDefinition, output: unknown): Promise<Ending> {
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

function invalidOutput(message: string, data?: unknown): Ending {
  const error = { type: "invalid_output", message, ...(data === undefined ? {} : { data }) };
  return { outcome: "failed", error, retryable: false };
}

function unknownTask(task: ClaimedTask): Ending {
  if (task.attempt < UNKNOWN_TASK_TRIES) return { outcome: "snoozed", delayMs: UNKNOWN_TASK_MS };
  const error = { type: "UnknownTaskError", message: `no task is called ${task.task} in this deployment` };
  return { outcome: "failed", error, retryable: false };
}
