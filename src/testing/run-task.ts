/** `lovage/testing`: one attempt of one task in a plain unit test. No Cloudflare, no network, no clock but the handler's own. */

import type { InputOf, OutputOf, TaskContext, TaskDefinition } from "../core/task.ts";
import { ChildFailedError } from "../core/errors.ts";
import { endingOf } from "../core/settle.ts";
import { accepted, returned, threw, type Ended } from "./ended.ts";
import { FAKE_ID, fakeContext, nothingTold, Snoozed, type ContextOptions, type Told } from "./fake-context.ts";
import { FakeDurable, type Journal, type RunChild, type Spawned, type Undone } from "./fake-durable.ts";
import { batchContext, callTogether } from "./run-batch.ts";

export { runBatch, type BatchRun } from "./run-batch.ts";

/** What the handler is told of its task, and what happens to it. */
export interface RunOptions extends ContextOptions {
  /** What an earlier attempt had done: its `journal`. */
  journal?: Journal;
  /** The bodies of the signals that come, by name and in order. */
  signals?: Record<string, readonly unknown[]>;
  /** By the name of a child's task: a function that stands in for its handler. The child fails if the function throws. */
  children?: Record<string, (input: never) => unknown>;
}

/** How the attempt ended, and all that the handler reported. */
export interface Run<Result> extends Omit<Ended<Result>, "outcome">, Told {
  outcome: "succeeded" | "failed" | "snoozed" | "waiting";
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
 * concurrency do not apply. A batch's handler gets the one input; see {@link runBatch}. Throws a
 * `TypeError` where the service would not have taken the input.
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
  const given = await accepted(definition, input);
  const told = nothingTold();
  const durable = new FakeDurable(options.journal ?? {}, options.signals ?? {}, childrenOf(options), (message) =>
    told.logs.push({ level: "warn", message, data: null }),
  );
  const ctx = fakeContext({ maxAttempts: definition.maxAttempts, ...options }, durable, told);
  const waiting = durable.waiting.then((waitingFor) => ({ outcome: "waiting" as const, waitingFor }));
  const ended = await Promise.race([attempt(definition, given, ctx), waiting]);
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
  if (definition.batch !== null) return (await callTogether(definition, [input], batchContext([ctx], ctx)))[0]!;
  try {
    return await returned(definition, await definition.run(input, ctx));
  } catch (thrown) {
    if (thrown instanceof Snoozed) return { outcome: "snoozed", snoozedMs: thrown.delayMs } as const;
    return threw(definition, thrown);
  }
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
