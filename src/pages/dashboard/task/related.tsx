/** The tasks around a task: those with the same root, those that it waits for, and its flow. */

import type { TaskResource } from "../../../contract/task.ts";
import { hrefTo } from "../address.ts";
import { Empty, Loaded } from "../parts/loading.tsx";
import { usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { columnsOf } from "../tasks/columns.tsx";
import { tasksHref } from "../tasks/filter.ts";
import { TaskTable } from "../tasks/task-table.tsx";
import type { TabProps } from "./tab-props.ts";
import { treeOf } from "./tree.ts";

const MOST = 50;
const EVERY_MS = 5_000;

export function Related({ task }: TabProps) {
  const { id, rootId, flowId } = task;
  const waited = waitedFor(task);
  const read = usePolled(`kin ${id} ${waited.join()}`, (signal) => readKin(rootId, waited, signal), EVERY_MS);
  return (
    <>
      {flowId !== null && (
        <p>
          It is a member of the flow <a href={hrefTo("flows", flowId)}>{flowId}</a>.
        </p>
      )}
      <Loaded from={read}>
        {(kin) => {
          const tree = treeOf(kin);
          if (!kin.some((each) => each.id !== id))
            return <Empty>It was submitted by itself, has made no other, and waits for none.</Empty>;
          return (
            <>
              <p>
                <a href={tasksHref({ root: rootId })}>All tasks with the same root</a>
              </p>
              <TaskTable
                rows={tree.map((branch) => branch.task)}
                depths={tree.map(({ depth }) => depth)}
                columns={columnsOf("state,task,why,run,age")}
                label="Related tasks"
              />
            </>
          );
        }}
      </Loaded>
    </>
  );
}

/** The ids of the tasks that it waits for. */
function waitedFor({ waitingFor }: TaskResource): string[] {
  const groups = (waitingFor as { tasks?: string[][] } | null)?.tasks ?? [];
  return groups.flat().slice(0, MOST);
}

/** The latest tasks with this root, and the tasks of these ids that still exist. */
async function readKin(rootId: string, ids: readonly string[], signal: AbortSignal): Promise<TaskResource[]> {
  const { items } = await client().list({ rootId }, { limit: MOST, signal }).page();
  const known = new Set(items.map((each) => each.id));
  const others = ids.filter((each) => !known.has(each));
  const read = await Promise.allSettled(others.map((each) => client().get(each, { signal })));
  const found = read.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  return [...items, ...found] as TaskResource[];
}
