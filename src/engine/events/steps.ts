/** Reads the journal of a durable task. */

import { log } from "../../core/log-events.ts";
import { stepsOf, type PlacedStep } from "../../core/journal.ts";
import { ProblemError, problem } from "../../core/problems.ts";
import { OBJECT } from "../../core/wake.ts";
import type { TaskRow } from "../../results/task-row.ts";
import { progressObject } from "./tell.ts";

/** The durable calls of the task's latest run that has begun one, in the order in which they began. Throws a 503 problem where they cannot be read. */
export async function readSteps(env: Env, { id, object }: Pick<TaskRow, "id" | "object">): Promise<PlacedStep[]> {
  if (!(object & OBJECT.used)) return [];
  try {
    const { entries, begun } = await progressObject(env, id).steps();
    return stepsOf(entries, begun);
  } catch (error) {
    log("steps_not_read", { id, error });
    const detail = "The task's steps could not be read just now. Try again.";
    throw new ProblemError(problem("unavailable", detail), { "Retry-After": "1" });
  }
}
