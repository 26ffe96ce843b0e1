/** A claimed task with all that this worker needs to run it, built once per attempt. */

import { CANCEL_GRACE_MS } from "../core/bounds.ts";
import type { TaskDefinition } from "../core/task.ts";
import { OBJECT } from "../core/wake.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { boundsOf, type Bounds } from "./bounds.ts";
import { AttemptControl } from "./control.ts";
import { findDefinition } from "./definitions.ts";

export interface Attempt {
  readonly task: ClaimedTask;
  /** The task's definition; undefined where this deployment has none. */
  readonly definition: TaskDefinition | undefined;
  readonly bounds: Bounds;
  readonly control: AttemptControl;
}

export function attemptOf(env: Pick<Env, "FIXTURES">, task: ClaimedTask): Attempt {
  const definition = findDefinition(task.task, env);
  const control = new AttemptControl(task.object & OBJECT.undo ? CANCEL_GRACE_MS : 0);
  return { task, definition, bounds: boundsOf(task, definition), control };
}
