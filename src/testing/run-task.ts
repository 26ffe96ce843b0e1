/** `lovage/testing`: one attempt of one task in a plain unit test. No Cloudflare, no network, no clock but the handler's own. */

import type { InputOf, OutputOf, TaskContext, TaskDefinition } from "../core/define-task.ts";
import { durationMs } from "../core/duration.ts";
import { ChildFailedError, type TaskError } from "../core/errors.ts";
import { faults } from "../core/problems.ts";
import { endingOf } from "../core/settle.ts";
import { FAKE_ID, fakeContext, Snoozed, type ContextOptions, type Told } from "./fake-context.ts";
import { FakeDurable, plain, type Journal, type RunChild, type Spawned, type Undone } from "./fake-durable.ts";

/** What the handler is told of its task, and what happens to it. */
export interface RunOptions extends ContextOptions {
  /** What an earlier attempt had done: its `journal`. */
  journal?: Journal;
  /** The bodies of the signals that come, by name and in order. */
  signals?: Record<string, readonly unknown[]>;
  /** What the children of a name result in, instead of what their handlers do. One that throws has failed. */
  children?: Record<string, (input: never) => unknown>;
}

/** How the attempt went, and all that the handler told. */
export interface Run<Result> extends Told {
  outcome: "succeeded" | "failed" | "snoozed" | "waiting";
  /** As its caller reads it; null unless it succeeded. */
  result: Result | null;
  /** As its caller reads it; null unless it failed. */
  error: TaskError | null;
  /** Whether another attempt would follow, if any is left; null unless it failed. */
  retryable: boolean | null;
  /** When, where the handler or the definition says so itself; null: by the policy. */
  retryAfterMs: number | null;
  snoozedMs: number | null;
  /** The signal that it waits for, which does not come. */
  waitingFor: string | null;
  /** Names of the steps that ran, without those that the journal had. */
  steps: string[];
  /** In ms. */
  sleeps: number[];
  spawned: Spawned[];
  /** For the next attempt. */
  journal: Journal;
  /** Undoes the completed steps, as the service does when the task finally fails. */
  undo(): Promise<Undone>;
}

/**
 * Runs a task's handler once, checks its input and its result by their schemas, and tells how it
 * went. Sleeps take no time, children run in the same process, and limits of time, size and
 * concurrency do not hold. Throws a `TypeError` where the service would not have taken the input.
 *
 * @example
 * const run = await runTask(processItem, { name: "tea", steps: 2, pause: 0 });
 * expect(run.result).toEqual({ result: "Processed item tea" });
 * expect(run.progress).toHaveLength(2);
 */
export async function runTask<D extends TaskDefinition>(
  definition: D,
  input: InputOf<D>,
  options: RunOptions = {},
): Promise<Run<OutputOf<D>>> {
  const sent = input === undefined ? undefined : plain(input);
  const parsed = await definition.input.safeParseAsync(sent);
  if (!parsed.success) {
    const where = faults(parsed.error.issues, ["input"]).map((fault) => `${fault.pointer}: ${fault.detail}`);
    throw new TypeError(`the input does not fit the schema of ${definition.name}: ${where.join("; ")}`);
  }
  const durable = new FakeDurable(options.journal ?? {}, options.signals ?? {}, childrenOf(options));
  const told: Told = { progress: [], logs: [], outputs: [] };
  const ctx = fakeContext({ maxAttempts: definition.maxAttempts, ...options }, durable, told);
  const waiting = durable.waiting.then((waitingFor) => ({ outcome: "waiting" as const, waitingFor }));
  const ended = await Promise.race([attempt(definition, parsed.data, ctx), waiting]);
  return {
    result: null,
    error: null,
    retryable: null,
    retryAfterMs: null,
    snoozedMs: null,
    waitingFor: null,
    ...(ended as Pick<Run<OutputOf<D>>, "outcome">),
    ...told,
    steps: durable.steps,
    sleeps: durable.sleeps,
    spawned: durable.spawned,
    journal: durable.journal,
    undo: () => durable.undo(),
  };
}

async function attempt(definition: TaskDefinition, input: unknown, ctx: TaskContext) {
  try {
    const output = await definition.output.safeParseAsync(await definition.run(input, ctx));
    if (output.success) return { outcome: "succeeded", result: plain(output.data) } as const;
    const data = faults(output.error.issues);
    const message = "the handler's result does not fit the task's output schema";
    return { outcome: "failed", error: { type: "invalid_output", message, data }, retryable: false } as const;
  } catch (thrown) {
    if (thrown instanceof Snoozed) return { outcome: "snoozed", snoozedMs: thrown.delayMs } as const;
    return failure(definition, thrown);
  }
}

function failure({ retry }: TaskDefinition, thrown: unknown) {
  const ending = endingOf(thrown);
  if (ending.outcome !== "failed") throw thrown;
  const { outcome, error, retryable, delayMs } = ending;
  if (!retryable || delayMs !== undefined || typeof retry !== "function") {
    return { outcome, error, retryable, retryAfterMs: delayMs ?? null };
  }
  const delay = retry({ failures: 1, error: thrown });
  return { outcome, error, retryable: delay !== null, retryAfterMs: delay === null ? null : durationMs(delay) };
}

/** Children result in what the test says, or run their handlers with the same options. */
function childrenOf(options: RunOptions): RunChild {
  return async (task, input, id) => {
    const name = typeof task === "string" ? task : task.name;
    const instead = options.children?.[name] as ((input: unknown) => unknown) | undefined;
    if (instead) {
      try {
        return await instead(input);
      } catch (thrown) {
        const ending = endingOf(thrown);
        throw new ChildFailedError(id, "failed", ending.outcome === "failed" ? ending.error : null);
      }
    }
    if (typeof task === "string") throw new TypeError(`say what ${name} results in: children: { "${name}": … }`);
    const { env, signal, tenant, rootId, children } = options;
    const inherited = Object.fromEntries(
      Object.entries({ env, signal, tenant, rootId, children }).filter(([, value]) => value !== undefined),
    );
    const run = await runTask(task, input, { ...inherited, id, parentId: options.id ?? FAKE_ID });
    if (run.outcome !== "succeeded") throw new ChildFailedError(id, run.outcome, run.error);
    return run.result;
  };
}
