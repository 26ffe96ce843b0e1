/** A task's input and its result or error, alone or compared with those of the task before it. */

import type { Page } from "../../../client/index.ts";
import type { TaskResource } from "../../../contract/task.ts";
import { change, here, hrefTo } from "../address.ts";
import { DiffView } from "../parts/diff-view.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { Empty, Loaded } from "../parts/loading.tsx";
import { Age } from "../parts/time.tsx";
import { ONCE, usePolled } from "../polled.ts";
import { client } from "../session.ts";
import { isEnded } from "../states.ts";
import type { TabProps } from "./tab-props.ts";

/** Pages of the list that are looked through: one may be empty. */
const PAGES = 5;

export function Values({ task }: TabProps) {
  const isCompared = here.value.query.get("diff") === "1";
  return (
    <>
      <div class="bar">
        <button
          type="button"
          class="quiet"
          aria-pressed={isCompared}
          onClick={() => change({ diff: isCompared ? undefined : "1" }, true)}
        >
          Differences from the run before
        </button>
      </div>
      {isCompared ? <Compared task={task} /> : <Alone task={task} />}
    </>
  );
}

function Alone({ task }: { task: TaskResource }) {
  const { omitted = [] } = task;
  return (
    <div class="two">
      <section>
        <h3>Input</h3>
        <JsonView value={task.input} label="input" />
        {omitted.includes("input") && <p class="hint">It is not shown to this key, or too large.</p>}
      </section>
      <section>
        <h3>{outcomeName(task)}</h3>
        {isEnded(task.state) ? (
          <JsonView value={outcomeOf(task)} label={outcomeName(task).toLowerCase()} />
        ) : (
          <p class="hint">It is there once the task has ended.</p>
        )}
        {task.error?.stack !== undefined && (
          <pre class="stack" tabIndex={0} role="group" aria-label="Stack">
            {task.error.stack}
          </pre>
        )}
      </section>
    </div>
  );
}

function Compared({ task }: { task: TaskResource }) {
  const read = usePolled(`before ${task.id}`, (signal) => runBefore(task, signal), ONCE);
  return (
    <Loaded from={read}>
      {(before) =>
        before === null ? (
          <Empty>No earlier {task.task} is kept to compare it with.</Empty>
        ) : (
          <>
            <p class="hint">
              Beside <a href={hrefTo("tasks", before.id)}>the {task.task} before it</a>, made{" "}
              <Age at={before.createdAt} /> ago: {before.state}.
            </p>
            <div class="two">
              <section>
                <h3>Input</h3>
                <DiffView before={before.input} after={task.input} label="What is different in the input" />
              </section>
              <section>
                <h3>{outcomeName(task)}</h3>
                <DiffView before={outcomeOf(before)} after={outcomeOf(task)} label="What is different in the outcome" />
              </section>
            </div>
          </>
        )
      }
    </Loaded>
  );
}

/** The latest task of this name that was made before; null where none is kept, or none is near. */
async function runBefore({ id, task, createdAt }: TaskResource, signal: AbortSignal): Promise<TaskResource | null> {
  // Tasks of the same millisecond are after it or before it by their ids alone.
  const createdBefore = new Date(Date.parse(createdAt) + 1).toISOString();
  const list = client().list({ task, createdBefore }, { limit: 10, signal });
  let cursor: string | null = null;
  for (let pages = 0; pages < PAGES; pages++) {
    const { items, nextCursor }: Page<{ id: string }> = await list.page(cursor);
    const before = items.find((each) => each.id < id);
    // A list leaves out what is large.
    if (before !== undefined) return (await client().get(before.id, { signal })) as TaskResource;
    if (nextCursor === null) return null;
    cursor = nextCursor;
  }
  return null;
}

function outcomeName({ error }: TaskResource): "Result" | "Error" {
  return error === null ? "Result" : "Error";
}

/** The stack is shown by itself. */
function outcomeOf({ error, result }: TaskResource): unknown {
  return error === null ? result : { ...error, stack: undefined };
}
