/** A claimed task in the hands of this worker, put together once and handed on from room to room. */

import { CANCEL_GRACE_MS } from "../core/bounds.ts";
import type { TaskDefinition } from "../core/task.ts";
import { OBJECT } from "../core/wake.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { boundsOf, type Bounds } from "./bounds.ts";
import { AttemptControl } from "./control.ts";
import { findDefinition } from "./definitions.ts";

export interface Attempt {
  readonly task: ClaimedTask;
  /** What this deployment knows of the task; undefined where it does not know it. */
  readonly definition: TaskDefinition | undefined;
  readonly bounds: Bounds;
  readonly control: AttemptControl;
}

export function attemptOf(env: Pick<Env, "FIXTURES">, task: ClaimedTask): Attempt {
  const definition = findDefinition(task.task, env);
  const control = new AttemptControl(task.object & OBJECT.undo ? CANCEL_GRACE_MS : 0);
  return { task, definition, bounds: boundsOf(task, definition), control };
}
