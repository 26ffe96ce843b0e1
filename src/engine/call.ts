/** For the Worker's own code and routes: submit a task, and read it, with one typed call. */

import type { z } from "zod";
import type { OptionsInput } from "../contract/submission.ts";
import type { TaskResource } from "../contract/task.ts";
import type { TaskDefinition } from "../core/define-task.ts";
import { ProblemError } from "../core/problems.ts";
import { OBJECT } from "../core/wake.ts";
import type { Progress } from "../core/define-task.ts";
import { readTask } from "../results/read-tasks.ts";
import { newTaskIds } from "./ids.ts";
import { prepare } from "./prepare.ts";
import { presentTask } from "./present.ts";
import type { Background } from "./store.ts";
import { submit } from "./submit.ts";
import { progressObject } from "./tell.ts";

/** On whose behalf the Worker's own code acts. */
export interface Caller {
  env: Env;
  /** The request's or the handler's `ctx`: the bell is rung after the answer. */
  background: Background;
  /** Who owns the task. */
  tenant: string;
  traceparent?: string | null;
}

/**
 * Submits a task and answers it as it was stored. Throws a `ProblemError` where the input or the
 * options do not fit, or, with status 503, where it could not be stored.
 */
export async function submitTask<Name extends string, Input extends z.ZodType, Output extends z.ZodType>(
  caller: Caller,
  task: TaskDefinition<Name, Input, Output>,
  input: z.input<Input>,
  options?: OptionsInput,
): Promise<TaskResource> {
  const now = Date.now();
  const origin = { tenant: caller.tenant, traceparent: caller.traceparent ?? null };
  const body = { task: task.name, input, ...(options ? { options } : {}) };
  const prepared = prepare(caller.env, body, origin, newTaskIds(1)[0]!, now);
  const { items } = await submit(caller.env, caller.background, [prepared], null, now);
  const item = items[0]!;
  if (!item.ok) throw new ProblemError(item.problem);
  return presentTask(item.row);
}

/** The tenant's task with its latest progress, or null where it has none of this id. */
export async function getTask(caller: Pick<Caller, "env" | "tenant">, id: string): Promise<TaskResource | null> {
  const row = await readTask(caller.env.DB, caller.tenant, id);
  if (!row) return null;
  const task = presentTask(row);
  if (row.finishedAt !== null || !(row.object & OBJECT.used)) return task;
  const latest = await progressObject(caller.env, id)
    .latestProgress()
    .catch(() => null);
  return latest ? { ...task, progress: latest.data as Progress } : task;
}
