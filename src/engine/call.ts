/** For the Worker's own code and routes: submit a task or a flow, and read it, with one typed call. */

import type { OptionsInput } from "../contract/submission.ts";
import type { TaskResource } from "../contract/task.ts";
import type { ErrorHandler, FlowOf, Graph } from "../contract/typed-flow.ts";
import type { SubmitArgs, TaskOf } from "../contract/typed-task.ts";
import type { Duration } from "../core/duration.ts";
import type { TaskDefinition } from "../core/task.ts";
import { ProblemError, problem } from "../core/problems.ts";
import { readFlow } from "../results/flows/flows.ts";
import { readTask } from "../results/read-tasks.ts";
import { presentFlow } from "./flows/read.ts";
import { submitFlow as submitGraph } from "./flows/submit.ts";
import { ownBindings } from "./bindings.ts";
import { newTaskIds } from "./ids.ts";
import { liveProgress } from "./events/live-progress.ts";
import { prepare, type Origin } from "./prepare.ts";
import { presentTask } from "./present.ts";
import type { Background } from "./store.ts";
import { submit } from "./submit.ts";

/** On whose behalf the Worker's own code acts. */
export interface Caller {
  env: Env;
  /** The request's or the handler's `ctx`: the queue message is sent after the response. */
  background: Background;
  /** Who owns the task. */
  tenant: string;
  traceparent?: string | null;
}

/**
 * Submits a task and returns it as it was stored. The input may be left out where its schema takes
 * nothing. Throws a `ProblemError` where the input or the options do not fit, or, with status 503,
 * where it could not be stored.
 *
 * @example
 * const caller = { env: c.env, background: c.executionCtx, tenant: "default" };
 * const task = await submitTask(caller, processItem, { name: "tea" }, { delay: "5m" });
 */
export async function submitTask<D extends TaskDefinition>(
  caller: Caller,
  task: D,
  ...args: SubmitArgs<D, OptionsInput>
): Promise<TaskOf<D>> {
  const env = ownBindings(caller.env);
  const [input, options] = args as [input?: unknown, options?: OptionsInput];
  const now = Date.now();
  const body = {
    task: task.name,
    ...(input === undefined ? {} : { input }),
    ...(options === undefined ? {} : { options }),
  };
  const prepared = prepare(env, body, originOf(caller), newTaskIds(1)[0]!, now);
  const { items } = await submit(env, caller.background, [prepared], null, now);
  const item = items[0]!;
  if (!item.ok) throw new ProblemError(item.problem);
  return presentTask(item.row) as TaskOf<D>;
}

/**
 * Submits a flow, written with `contract/build-flow.ts`, and returns it as it was stored. `onError`
 * runs once if the flow fails; a flow also fails when it has not ended by its `deadline`. Throws a
 * `ProblemError` with a pointer to every fault of the graph.
 *
 * @example
 * const flow = await submitFlow(caller, chain(task(httpRequest, { url }), task(csvSummarize, { csv: previous("/body") })));
 */
export async function submitFlow<Result>(
  caller: Caller,
  graph: Graph<Result>,
  options: { onError?: ErrorHandler; deadline?: Duration | Date } = {},
): Promise<FlowOf<Result>> {
  const { background, tenant } = caller;
  const env = ownBindings(caller.env);
  // As it would have come over the wire.
  const body: unknown = JSON.parse(JSON.stringify({ ...graph, ...options }));
  const { id } = await submitGraph(env, background, body, originOf(caller), null, Date.now());
  const row = await readFlow(env.DB, tenant, id);
  if (!row) throw new ProblemError(problem("gone", "The flow was removed before it could be read."));
  return (await presentFlow(env, row)) as FlowOf<Result>;
}

/** The tenant's task with its latest progress, or null where it has none of this id. */
export async function getTask(caller: Pick<Caller, "env" | "tenant">, id: string): Promise<TaskResource | null> {
  const env = ownBindings(caller.env);
  const row = await readTask(env.DB, caller.tenant, id);
  if (!row) return null;
  const task = presentTask(row);
  return { ...task, progress: (await liveProgress(env, row)) ?? task.progress };
}

function originOf({ tenant, traceparent = null }: Caller): Origin {
  return { tenant, traceparent };
}
