/** Finds the definition of a claimed task: the system's own tasks and the user's. */

import type { TaskDefinition } from "../core/task.ts";
import { findTask } from "../engine/registry.ts";
import { webhookTask } from "./webhook-task.ts";

const own = new Map<string, TaskDefinition>([[webhookTask.name, webhookTask]]);

/** The definition, or undefined where this deployment has none. Callers can submit only the tasks that `findTask` finds. */
export function findDefinition(name: string, env: Pick<Env, "FIXTURES">): TaskDefinition | undefined {
  return own.get(name) ?? findTask(name, env);
}
