/** Reads the journal of a durable task. */

import { log } from "../../core/log.ts";
import { resumeAt, stepsOf, withoutOldError, type PlacedStep } from "../../core/journal.ts";
import { meant } from "../../core/nearest.ts";
import { ProblemError, problem } from "../../core/problems.ts";
import { OBJECT } from "../../core/wake.ts";
import type { Steps } from "../../progress/snapshot.ts";
import type { RetryFrom } from "../../results/retry-tasks.ts";
import type { TaskRow } from "../../results/task-row.ts";
import { findTask } from "../registry.ts";
import { progressObject } from "./tell.ts";

/** The durable calls of the task's latest run that has begun one, in the order in which they began. Throws a 503 problem where they cannot be read. */
export async function readSteps(env: Env, task: Pick<TaskRow, "id" | "object" | "task">): Promise<PlacedStep[]> {
  const { entries, begun } = await read(env, task);
  const hasSecrets = findTask(task.task, env)?.secret !== null;
  return stepsOf(hasSecrets ? entries.map(withoutOldError) : entries, begun);
}

/**
 * Where in its journal a new run of the task begins, from the call of this name on. Throws a 422 problem where there is none, a
 * 409 problem where a step before it was undone, a 503 problem where the journal cannot be read.
 */
export async function findStep(
  env: Env,
  task: Pick<TaskRow, "id" | "object" | "run">,
  name: string,
): Promise<RetryFrom> {
  const { entries, begun } = await read(env, task);
  const found = resumeAt(name, entries, begun);
  if (found === null) {
    const names = stepsOf(entries, begun).map(({ step }) => step.name);
    const detail = names.length === 0 ? "the task has no steps" : `no step has this name${meant(name, names)}`;
    throw new ProblemError(problem("invalid-body", "The task has no such step.", [{ pointer: "/from", detail }]));
  }
  if (found.wasUndone) {
    const detail =
      "Steps before this one were undone, so their results are no longer valid. Retry without `from`, or from an earlier step.";
    throw new ProblemError(problem("conflict", detail));
  }
  return { run: task.run, before: found.before, isUndoable: found.isUndoable };
}

async function read(env: Env, { id, object }: Pick<TaskRow, "id" | "object">): Promise<Steps> {
  if (!(object & OBJECT.used)) return { entries: [], begun: [] };
  try {
    return await progressObject(env, id).steps();
  } catch (error) {
    log("steps_not_read", { id, error });
    const detail = "The task's steps could not be read just now. Try again.";
    throw new ProblemError(problem("unavailable", detail), { "Retry-After": "1" });
  }
}
