/** Submit a task: a form from its JSON Schema, and the same as a call. */

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { TaskResource } from "../../../contract/task.ts";
import { faultWords } from "../acts.ts";
import { go, here, hrefTo } from "../address.ts";
import { Empty, Loaded } from "../parts/loading.tsx";
import { ONCE, usePolled } from "../polled.ts";
import { client, may } from "../session.ts";
import { loadTaskTypes, taskTypes, type TaskType } from "../task-types.ts";
import { pastedOf, type Pasted } from "./pasted.ts";
import { SubmitForm } from "./submit-form.tsx";

/** What was pasted last. */
const pasted = signal<Pasted | null>(null);

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
      <PasteField types={types} />
      {type === undefined && types.length > 0 && (
        <Empty>
          {id === null ? "Choose a task; its form follows from its schema." : `There is no task ${id}.`} The{" "}
          <a href="./docs">API reference</a> describes all of them.
        </Empty>
      )}
      {type !== undefined &&
        (pasted.value?.task === type.name && query.get("pasted") === "1" ? (
          <SubmitForm
            key={JSON.stringify(pasted.value)}
            type={type}
            input={pasted.value.input}
            given={pasted.value.options}
            tags={tagsIn(pasted.value)}
          />
        ) : from === null || !may("read") ? (
          <SubmitForm key={type.name} type={type} input={undefined} />
        ) : (
          <Again id={from} />
        ))}
    </>
  );
}

/** Takes a curl line, and fills in the form with what it submits. */
function PasteField({ types }: { types: readonly TaskType[] }) {
  const [text, setText] = useState("");
  const read = text.trim() === "" ? null : pastedOf(text);
  const isKnown = read !== null && typeof read !== "string" && types.some(({ name }) => name === read.task);
  const fault = typeof read === "string" ? read : read !== null && !isKnown ? `There is no task ${read.task}.` : "";

  function take(): void {
    pasted.value = read as Pasted;
    go(hrefTo("submit", pasted.value.task, { pasted: "1" }));
  }

  return (
    <details>
      <summary>Paste a curl line</summary>
      <div class="field">
        <label for="pasted">curl line, or its JSON</label>
        <textarea
          id="pasted"
          rows={4}
          spellcheck={false}
          value={text}
          aria-describedby="pasted-hint"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <p id="pasted-hint" class={fault === "" ? "hint" : "hint refusal"}>
          {fault === "" ? "Its key and address are not looked at." : fault}
        </p>
      </div>
      <button type="button" class="quiet" disabled={!isKnown} onClick={take}>
        Fill in the form
      </button>
    </details>
  );
}

function tagsIn({ options }: Pasted): Record<string, string> {
  const tags = (options["tags"] ?? {}) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(tags).map(([name, value]) => [name, String(value)]));
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
