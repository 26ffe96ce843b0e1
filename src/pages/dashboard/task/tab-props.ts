/** What every part of a task's view is given. */

import type { TaskEvent } from "../../../client/index.ts";
import type { TaskResource } from "../../../contract/task.ts";

export interface TabProps {
  task: TaskResource;
  events: readonly TaskEvent[];
}
