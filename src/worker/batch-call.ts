/** One call of a handler for many attempts. Each attempt is supervised separately. */

import type { Attempt } from "./attempt.ts";
import type { Ran } from "./run-attempt.ts";
import type { Call } from "./supervise.ts";

/** Calls the handler of a batch for these attempts, and returns one result for each, in their order. */
export type RunTogether = (attempts: readonly Attempt[]) => Promise<Ran[]>;

/**
 * Groups the attempts of a claim into calls of a handler, in the order of the claim. An attempt whose task was cut off before
 * is called alone, so that it cannot cut off others if it brings its worker down again.
 */
export function callsOf<T extends Pick<Attempt, "task" | "definition">>(attempts: readonly T[]): T[][] {
  const groups = Map.groupBy(attempts, ({ definition, task: { id, tenant, task, lane, crashes } }) =>
    definition?.batch && crashes === 0 ? JSON.stringify([tenant, task, lane]) : id,
  );
  return [...groups.values()].flatMap((group) => {
    const size = group[0]!.definition?.batch?.size ?? 1;
    const line = group.toSorted(({ task: a }, { task: b }) => a.runAt - b.runAt || (a.id < b.id ? -1 : 1));
    return Array.from({ length: Math.ceil(line.length / size) }, (_, i) => line.slice(i * size, (i + 1) * size));
  });
}

/** A call that is shared by all attempts that make it in the same turn of the event loop. */
export function sharedCall(runTogether: RunTogether): Call {
  const members: Attempt[] = [];
  let results: Promise<Ran[]> | null = null;

  async function begin(): Promise<Ran[]> {
    await Promise.resolve();
    return runTogether(members);
  }

  return async (attempt) => {
    const place = members.push(attempt) - 1;
    results ??= begin();
    return (await results)[place]!;
  };
}
