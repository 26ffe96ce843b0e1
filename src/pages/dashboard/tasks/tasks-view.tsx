/** Tasks: the list, also with one of them beside it, or one alone. */

import { change, here } from "../address.ts";
import { TaskView } from "../task/task-view.tsx";
import { TaskList } from "./task-list.tsx";

export function TasksView() {
  const { id, query } = here.value;
  const beside = query.get("beside");
  if (id !== null) return <TaskView key={id} id={id} />;
  return (
    <div class={beside === null ? undefined : "beside"}>
      <div>
        <TaskList />
      </div>
      {beside !== null && <Beside id={beside} />}
    </div>
  );
}

function Beside({ id }: { id: string }) {
  const close = () => change({ beside: undefined, tab: undefined }, true);
  return (
    <aside aria-label="The task beside the list">
      <button type="button" class="quiet" onClick={close}>
        Close
      </button>
      <TaskView key={id} id={id} isBeside />
    </aside>
  );
}
