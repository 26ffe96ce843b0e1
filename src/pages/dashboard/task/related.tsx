/** The tasks around a task: where it came from, what it waits for, and its flow. */

import { hrefTo } from "../address.ts";
import { Empty, Loaded } from "../parts/loading.tsx";
import { ONCE, usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { columnsOf } from "../tasks/columns.tsx";
import { TaskTable } from "../tasks/task-table.tsx";
import type { TaskResource } from "../../../contract/task.ts";
import type { TabProps } from "./tab-props.ts";

const MOST = 50;

export function Related({ task }: TabProps) {
  const ids = relatedTo(task);
  const read = usePolled(`related ${ids.join()}`, (signal) => readAll(ids, signal), ONCE);
  if (ids.length === 0 && task.flowId === null)
    return <Empty>It was submitted by itself, and waits for no other.</Empty>;
  return (
    <>
      {task.flowId !== null && (
        <p>
          It is a member of the flow <a href={hrefTo("flows", task.flowId)}>{task.flowId}</a>.
        </p>
      )}
      <Loaded from={read}>
        {(rows) =>
          rows.length === 0 ? (
            <></>
          ) : (
            <TaskTable rows={rows} columns={columnsOf("state,task,why,age")} label="Related tasks" />
          )
        }
      </Loaded>
    </>
  );
}

/** The ids of its parent, its root, and those that it waits for. */
function relatedTo({ id, parentId, rootId, waitingFor }: TaskResource): string[] {
  const waited = ((waitingFor as { tasks?: string[][] } | null)?.tasks ?? []).flat();
  const ids = [parentId, rootId, ...waited].filter((each): each is string => each !== null && each !== id);
  return [...new Set(ids)].slice(0, MOST);
}

/** Those that are still there. */
async function readAll(ids: readonly string[], signal: AbortSignal): Promise<TaskResource[]> {
  const read = await Promise.allSettled(ids.map((id) => client().get(id, { signal }) as Promise<TaskResource>));
  return read.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}
