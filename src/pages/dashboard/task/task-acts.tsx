/** What can be done with a task. Each asks first. */

import { signal } from "@preact/signals";
import type { TaskResource } from "../../../contract/task.ts";
import { go, hrefTo } from "../address.ts";
import { ask, copy } from "../acts.ts";
import { curlOf, literal } from "../call.ts";
import { CheckField, JsonField, readJson, TextField } from "../parts/fields.tsx";
import { client, may } from "../session.ts";
import { useKeys } from "../shell/keyboard.ts";
import { canRetry, isEnded } from "../states.ts";
import { waitingWords } from "../tasks/why.tsx";

export function TaskActs({ task }: { task: TaskResource }) {
  const acts = [
    ...(may("cancel") && !isEnded(task.state) ? [{ key: "c", name: "Cancel…", run: () => askCancel(task) }] : []),
    ...(may("cancel") && canRetry(task.state) ? [{ key: "r", name: "Run again…", run: () => askRetry(task) }] : []),
    ...(may("submit") && isEnded(task.state)
      ? [{ key: "n", name: "Submit with edited input…", run: () => go(hrefTo("submit", task.task, { from: task.id })) }]
      : []),
    ...(may("submit") && !isEnded(task.state)
      ? [{ key: "s", name: "Send a signal…", run: () => askSignal(task) }]
      : []),
    ...(may("cancel") && isEnded(task.state) ? [{ key: "d", name: "Delete…", run: () => askDelete(task) }] : []),
  ];
  useKeys({
    ...Object.fromEntries(acts.map(({ key, run }) => [key, run])),
    ".": () => void copy(curlOf({ method: "GET", path: `/v1/tasks/${task.id}` }), "curl"),
  });
  return (
    <div class="acts">
      {acts.map(({ name, run }) => (
        <button key={name} type="button" class="quiet" onClick={run}>
          {name}
        </button>
      ))}
    </div>
  );
}

function askCancel({ id, task, state }: TaskResource): void {
  const reason = signal("");
  const undo = signal(false);
  const body = () => ({
    ...(reason.value === "" ? {} : { reason: reason.value }),
    ...(undo.value ? { undo: true } : {}),
  });
  ask({
    title: `Cancel ${task}`,
    verb: "Cancel the task",
    isDanger: true,
    words: (
      <p>
        {state === "running"
          ? "Its attempt is told to stop, and has 5 seconds to end by itself."
          : "It ends without being run."}
      </p>
    ),
    fields: () => (
      <>
        <TextField label="Reason" value={reason} />
        <CheckField label="Undo the steps that it has completed" value={undo} />
      </>
    ),
    call: () => ({ method: "POST", path: `/v1/tasks/${id}/cancel`, body: body() }),
    code: () => `await client.cancel(${literal(id)}, ${literal(body())});`,
    run: async () => {
      await client().cancel(id, body());
      return `${task} is being cancelled`;
    },
  });
}

function askRetry({ id, task, input }: TaskResource): void {
  const text = signal(JSON.stringify(input, null, 2));
  const isEdited = () => may("submit") && text.value !== JSON.stringify(input, null, 2);
  const body = () => (isEdited() ? { input: readJson(text.value).value } : {});
  ask({
    title: `Run ${task} again`,
    verb: "Run again",
    words: <p>It is the same task in a new run; its history is kept.</p>,
    fields: () =>
      may("submit") ? <JsonField label="Input" value={text} hint="A changed input replaces the old one." /> : null,
    call: () =>
      readJson(text.value).fault === undefined ? { method: "POST", path: `/v1/tasks/${id}/retry`, body: body() } : null,
    code: () => `await client.retry(${literal(id)}, ${literal(body())});`,
    run: async () => {
      await client().retry(id, body());
      return `${task} runs again`;
    },
  });
}

function askDelete({ id, task }: TaskResource): void {
  ask({
    title: `Delete ${task}`,
    verb: "Delete the task",
    isDanger: true,
    words: <p>The task and all that belongs to it is removed for good.</p>,
    call: () => ({ method: "DELETE", path: `/v1/tasks/${id}` }),
    code: () => `await client.delete(${literal(id)});`,
    run: async () => {
      await client().delete(id);
      go("#/tasks");
      return `${task} is deleted`;
    },
  });
}

/** Asks for a signal and its body. */
function askSignal({ id, task, waitingFor }: TaskResource): void {
  const [expected = ""] = (waitingFor as { signals?: string[] } | null)?.signals ?? [];
  const name = signal(expected);
  const text = signal("null");
  const body = () => readJson(text.value).value ?? null;
  ask({
    title: `Send a signal to ${task}`,
    verb: "Send",
    words:
      expected === "" ? (
        <p>It is kept until the task asks for it.</p>
      ) : (
        <p>The task waits {waitingWords(waitingFor)}.</p>
      ),
    fields: () => (
      <>
        <TextField label="Name" value={name} />
        <JsonField label="Body" value={text} rows={4} />
      </>
    ),
    call: () =>
      name.value === "" || readJson(text.value).fault !== undefined
        ? null
        : { method: "POST", path: `/v1/tasks/${id}/signals/${encodeURIComponent(name.value)}`, body: body() },
    code: () => `await client.signal(${literal(id)}, ${literal(name.value)}, ${literal(body())});`,
    run: async () => {
      await client().signal(id, name.value, body());
      return `${name.value} was sent`;
    },
  });
}
