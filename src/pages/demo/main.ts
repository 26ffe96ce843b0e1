/** The demo page: submit an item, watch its task live. Wiring only. */

import { wireCommands } from "./commands.ts";
import { createFollower } from "./follower.ts";
import { restoreTasks } from "./kept-tasks.ts";
import { cancelTask } from "./requests.ts";
import { wireSubmitForm } from "./submit-form.ts";
import { createTaskTable } from "./task-table.ts";
import { afterRead, isSettled, type TrackedTask } from "./tracked-task.ts";

const table = createTaskTable((id) => void cancel(id));
const follower = createFollower(table);

for (const task of restoreTasks()) add(task);
wireSubmitForm(add);
wireCommands();

function add(task: TrackedTask): void {
  table.add(task);
  if (!isSettled(task)) follower.follow(task.id);
}

async function cancel(id: string): Promise<void> {
  const link = table.get(id)?.links.cancel;
  if (link === undefined) return;
  table.change(id, (task) => ({ ...task, cancelRequested: true, refusal: null }));
  const answer = await cancelTask(link);
  if (answer.ok) {
    table.change(id, (task) => afterRead(task, answer.value));
  } else if (answer.status !== 409) {
    table.change(id, (task) => ({ ...task, cancelRequested: false, refusal: `Not cancelled. ${answer.words}` }));
  }
}
