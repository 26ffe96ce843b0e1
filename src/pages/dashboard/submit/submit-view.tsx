/** Submit a task: a form from its JSON Schema, and the same as a call. */

import { useEffect, useState } from "preact/hooks";
import type { TaskResource } from "../../../contract/task.ts";
import { faultWords } from "../acts.ts";
import { go, here, hrefTo } from "../address.ts";
import { Empty, Loaded } from "../parts/loading.tsx";
import { ONCE, usePolled } from "../polled.ts";
import { client, may } from "../session.ts";
import { loadTaskTypes, taskTypes } from "../task-types.ts";
import { SubmitForm } from "./submit-form.tsx";

export function SubmitView() {
  const { id, query } = here.value;
  const [fault, setFault] = useState("");
  useEffect(() => {
    loadTaskTypes().catch((error: unknown) => setFault(faultWords(error)));
  }, []);
  const types = taskTypes.value;
  const type = types.find(({ name }) => name === id);
  const from = query.get("from");
  return (
    <>
      <h1>Submit a task</h1>
      {fault !== "" && <Empty>{fault}</Empty>}
      <label class="search">
        Task{" "}
        <select value={type?.name ?? ""} onChange={(event) => go(hrefTo("submit", event.currentTarget.value))}>
          <option value="">Choose a task</option>
          {types.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {type === undefined && types.length > 0 && (
        <Empty>
          {id === null ? "Choose a task; its form follows from its schema." : `There is no task ${id}.`} The{" "}
          <a href="./docs">API reference</a> describes all of them.
        </Empty>
      )}
      {type !== undefined &&
        (from === null || !may("read") ? (
          <SubmitForm key={type.name} type={type} input={undefined} />
        ) : (
          <Again id={from} />
        ))}
    </>
  );
}

/** The form, filled in with what another task was given. */
function Again({ id }: { id: string }) {
  const read = usePolled(`again ${id}`, (signal) => client().get(id, { signal }) as Promise<TaskResource>, ONCE);
  return (
    <Loaded from={read}>
      {(task) => (
        <>
          <p class="hint">
            As <a href={hrefTo("tasks", id)}>{id}</a> was, as a new task.
          </p>
          <SubmitForm
            key={id}
            type={taskTypes.value.find(({ name }) => name === task.task)!}
            input={task.input}
            tags={task.tags}
          />
        </>
      )}
    </Loaded>
  );
}
