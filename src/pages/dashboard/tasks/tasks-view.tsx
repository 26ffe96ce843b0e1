/** Tasks: the list, or one of them. */

import { here } from "../address.ts";
import { TaskView } from "../task/task-view.tsx";
import { TaskList } from "./task-list.tsx";

export function TasksView() {
  const { id } = here.value;
  return id === null ? <TaskList /> : <TaskView key={id} id={id} />;
}
