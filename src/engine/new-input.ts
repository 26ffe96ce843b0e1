/** An input that takes the place of another. */

import { ProblemError, problem } from "../core/problems.ts";
import type { NewInput } from "../results/retry-tasks.ts";
import { prepareLimits } from "./limits/prepare.ts";
import { checkInput } from "./prepare.ts";
import { findTask } from "./registry.ts";
import { sealTaken, withoutSecretKeys } from "./sealing/tasks.ts";

/** The input checked against the task's schema, sealed, and with the limits that it comes under. Throws the problem where it does not fit. */
export async function prepareInput(env: Env, tenant: string, task: string, input: unknown): Promise<NewInput> {
  const definition = findTask(task, env);
  if (!definition) {
    throw new ProblemError(problem("unknown-task", `No task is called ${JSON.stringify(task)} here any more.`));
  }
  const checked = checkInput(env, definition, input);
  if (!checked.ok) throw new ProblemError(checked.problem);
  const limits = prepareLimits(definition, { task }, checked.value, tenant);
  if (!limits.ok) throw new ProblemError(limits.problem);
  const text = checked.input ?? "null";
  return {
    text,
    sealed: await sealTaken(env, ["input", tenant, task, text], checked.taken),
    concurrency: await withoutSecretKeys(env, limits.concurrency, limits.secretKeys),
    rates: await withoutSecretKeys(env, limits.rates, limits.secretKeys),
  };
}
