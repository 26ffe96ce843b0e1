/** One call of a handler for many attempts, each of which is supervised by itself. */

import type { TaskDefinition } from "../core/task.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { Ran } from "./run-attempt.ts";
import type { Controlled } from "./run-batch.ts";
import type { Call } from "./supervise.ts";

/** Calls the handler of a batch for these attempts, and answers in their order. */
export type RunTogether = (attempts: readonly Controlled[]) => Promise<Ran[]>;

/**
 * The tasks whose handlers are called together: what a claim took, in the order in which it did. One that was cut off is
 * called alone: should it bring its worker down again, it takes no other with it.
 */
export function callsOf(
  claimed: readonly ClaimedTask[],
  definitionOf: (task: string) => TaskDefinition | undefined,
): ClaimedTask[][] {
  const groups = Map.groupBy(claimed, ({ id, tenant, task, lane, crashes }) =>
    definitionOf(task)?.batch && crashes === 0 ? JSON.stringify([tenant, task, lane]) : id,
  );
  return [...groups.values()].flatMap((group) => {
    const size = definitionOf(group[0]!.task)?.batch?.size ?? 1;
    const line = group.toSorted((a, b) => a.runAt - b.runAt || (a.id < b.id ? -1 : 1));
    return Array.from({ length: Math.ceil(line.length / size) }, (_, i) => line.slice(i * size, (i + 1) * size));
  });
}

/** A call that is shared by all attempts that make it in the same turn of the event loop. */
export function sharedCall(runTogether: RunTogether): Call {
  const members: Controlled[] = [];
  let results: Promise<Ran[]> | null = null;

  async function begin(): Promise<Ran[]> {
    await Promise.resolve();
    return runTogether(members);
  }

  return async (task, control) => {
    const place = members.push({ task, control }) - 1;
    results ??= begin();
    return (await results)[place]!;
  };
}
