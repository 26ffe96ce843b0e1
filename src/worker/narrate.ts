/**
 * What the server on a developer's machine prints of each attempt, as lines of JSON. It is printed nowhere else, because errors
 * and logs hold what users have put into them.
 */

import { addressOf } from "../contract/addresses.ts";
import type { Ending, Settlement } from "../core/settle.ts";
import type { LogLevel } from "../core/task.ts";
import { findTask, taskNames } from "../engine/registry.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";

/** Before an attempt's handler is called. */
export function narrateStart(env: Env, task: ClaimedTask, limitMs: number): void {
  narrate(env, task, { lovage: "started", limitMs });
}

export function narrateEnd(env: Env, task: ClaimedTask, ending: Ending, { state }: Settlement, ms: number): void {
  const error = "error" in ending ? ending.error : null;
  narrate(env, task, { lovage: "ended", outcome: ending.outcome, state, ms, error });
}

export function narrateLog(env: Env, task: ClaimedTask, told: { level: LogLevel; message: string; data?: unknown }) {
  narrate(env, task, { lovage: "log", ...told });
}

/** Prints every task's time limit, because a task that blocks the runtime can print nothing, and where the service is mounted. */
export function narrateTasks(env: Env): void {
  if (env.NARRATE !== "1") return;
  const limits = Object.fromEntries(taskNames(env).map((name) => [name, findTask(name, env)!.timeoutMs]));
  console.log(JSON.stringify({ lovage: "tasks", limits, base: addressOf("") }));
}

function narrate(env: Env, { id, task, attempt, maxAttempts }: ClaimedTask, told: object): void {
  if (env.NARRATE === "1") console.log(JSON.stringify({ ...told, id, task, attempt, maxAttempts }));
}
