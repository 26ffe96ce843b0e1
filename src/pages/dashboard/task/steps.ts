/** The steps of a task, where it has any. */

import type { TaskEvent } from "../../../client/index.ts";
import type { TaskResource } from "../../../contract/task.ts";
import type { Step } from "./step-rows.tsx";

export function useSteps(_task: TaskResource, _events: readonly TaskEvent[]): readonly Step[] {
  return [];
}
