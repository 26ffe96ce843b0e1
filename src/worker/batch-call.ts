/** One call of a handler for many attempts, each of which is supervised by itself. */

import type { TaskDefinition } from "../core/define-task.ts";
import { MAX_CRASHES } from "../core/limits.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { Ran } from "./attempt-runner.ts";
import { BatchControl } from "./batch-control.ts";
import type { AttemptControl } from "./control.ts";
import type { Call } from "./supervise.ts";

/**
 * The tasks whose handlers are called together: what a claim took, in the order in which it did. One that may not be cut
 * off again is called alone: should it bring its worker down, it takes no other with it.
 */
export function callsOf(
  claimed: readonly ClaimedTask[],
  definitionOf: (task: string) => TaskDefinition | undefined,
): ClaimedTask[][] {
  const groups = Map.groupBy(claimed, ({ id, tenant, task, lane, crashes }) =>
    definitionOf(task)?.batch && crashes < MAX_CRASHES - 1 ? JSON.stringify([tenant, task, lane]) : id,
  );
  return [...groups.values()].flatMap((group) => {
    const size = definitionOf(group[0]!.task)?.batch?.size ?? 1;
    const line = group.toSorted((a, b) => a.runAt - b.runAt || (a.id < b.id ? -1 : 1));
    return Array.from({ length: Math.ceil(line.length / size) }, (_, i) => line.slice(i * size, (i + 1) * size));
  });
}

/** A call that is shared by all who make it in the same turn of the event loop. */
export function sharedCall(env: Env): Call {
  const members: { task: ClaimedTask; control: AttemptControl }[] = [];
  let results: Promise<Ran[]> | null = null;

  async function begin(): Promise<Ran[]> {
    await Promise.resolve();
    const tasks = members.map((member) => member.task);
    try {
      return await env.ATTEMPTS.runBatch(tasks, new BatchControl(members.map((member) => member.control)));
    } catch (error) {
      console.warn(
        JSON.stringify({ event: "batch_died", taskIds: tasks.map((task) => task.id), error: String(error) }),
      );
      return tasks.map(() => ({ ending: { outcome: "crashed" }, progress: null, used: false }));
    }
  }

  return async (task, control) => {
    const place = members.push({ task, control }) - 1;
    results ??= begin();
    return (await results)[place]!;
  };
}
