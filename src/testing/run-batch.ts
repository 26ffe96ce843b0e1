/** One call of a batch's handler in a plain unit test. */

import { faultOfResults } from "../core/batch.ts";
import type { BatchContext, BatchItem } from "../core/task.ts";
import type { InputOf, OutputOf, TaskDefinition } from "../core/task.ts";
import { accepted, invalid, returned, threw, type Ended } from "./ended.ts";
import { FAKE_ID, fakeItem, nothingTold, type ContextOptions, type Told } from "./fake-context.ts";

/** How one of the tasks ended, and all that the handler reported about it. */
export interface BatchRun<Result> extends Ended<Result>, Told {}

/**
 * Runs the handler of a batch once for these inputs, and tells how it went for each. `options` are those of every task;
 * their ids are counted up from the first one's. The batch's size does not hold. Throws a `TypeError` where the
 * service would not have taken an input.
 *
 * @example
 * const [indexed, refused] = await runBatch(searchIndex, [{ id: "a" }, { id: "" }]);
 * expect(indexed.result).toBe(true);
 * expect(refused.error.message).toBe("no id");
 */
export async function runBatch<D extends TaskDefinition>(
  definition: D,
  inputs: InputOf<D>[],
  options: Omit<ContextOptions, "id"> = {},
): Promise<BatchRun<OutputOf<D>>[]> {
  const given = await Promise.all(inputs.map((input) => accepted(definition, input)));
  const tasks = given.map((_, i) => {
    const told = nothingTold();
    const id = FAKE_ID.slice(0, -3) + String(i).padStart(3, "0");
    return { told, item: fakeItem({ maxAttempts: definition.maxAttempts, ...options, id }, told) };
  });
  const ended = await callTogether(
    definition,
    given,
    batchContext(
      tasks.map((task) => task.item),
      options,
    ),
  );
  return ended.map((each, i) => ({ ...(each as Ended<OutputOf<D>>), ...tasks[i]!.told }));
}

export function batchContext(items: BatchItem[], { env, tenant, signal }: ContextOptions): BatchContext {
  return {
    env: (env ?? {}) as Env,
    tenant: tenant ?? "default",
    signal: signal ?? new AbortController().signal,
    items,
    progress: (...said) => items.forEach((item) => item.progress(...said)),
    log: (...said) => items.forEach((item) => item.log(...said)),
  };
}

export async function callTogether(
  definition: TaskDefinition,
  inputs: unknown[],
  ctx: BatchContext,
): Promise<Ended<unknown>[]> {
  if (definition.batch === null) throw new TypeError(`${definition.name} is not run in batches: test it with runTask`);
  try {
    const results: unknown = await definition.batch.run(inputs, ctx);
    const fault = faultOfResults(results, inputs.length);
    if (fault !== null) return inputs.map(() => invalid(fault));
    return await Promise.all(
      (results as unknown[]).map(async (result) =>
        result instanceof Error ? threw(definition, result) : returned(definition, result),
      ),
    );
  } catch (thrown) {
    return inputs.map(() => threw(definition, thrown));
  }
}
