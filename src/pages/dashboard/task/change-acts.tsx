/** What can be done with a task before it has started: change it, start it now, hold it back. Each asks first. */

import { signal } from "@preact/signals";
import type { TaskResource } from "../../../contract/task.ts";
import { ask } from "../acts.ts";
import { literal } from "../call.ts";
import { SelectField, TextField, TimeField } from "../parts/fields.tsx";
import { tagsOf, tagWords } from "../parts/tag-words.ts";
import { TagsField } from "../parts/tags-field.tsx";
import { At } from "../parts/time.tsx";
import { client } from "../session.ts";
import { LANES } from "../states.ts";
import { editedInput, EditedInputField } from "./edited-input.tsx";

/** Asks for the changes of a task. What is left as it was is not sent. */
export function askChange(task: TaskResource): void {
  const { id, state } = task;
  const old = {
    runAt: task.runAt,
    lane: task.lane,
    tags: tagWords(task.tags),
    maxAttempts: String(task.maxAttempts),
    expiresAt: task.expiresAt ?? "",
  };
  const [runAt, lane, tags] = [signal(old.runAt), signal(old.lane), signal(old.tags)];
  const [maxAttempts, expiresAt] = [signal(old.maxAttempts), signal(old.expiresAt)];
  const input = editedInput(task);
  const body = () => ({
    ...(runAt.value === old.runAt ? {} : { runAt: runAt.value }),
    ...(lane.value === old.lane ? {} : { lane: lane.value as (typeof LANES)[number] }),
    ...(tags.value === old.tags ? {} : { tags: tagsOf(tags.value) ?? {} }),
    ...(maxAttempts.value === old.maxAttempts ? {} : { maxAttempts: Number(maxAttempts.value) }),
    ...(expiresAt.value === old.expiresAt ? {} : { expiresAt: expiresAt.value || null }),
    ...input.changed(),
  });
  const isRight = () =>
    runAt.value !== "" && tagsOf(tags.value) !== null && /^[1-9]\d*$/.test(maxAttempts.value) && input.isRight();
  ask({
    title: `Change ${task.task}`,
    verb: "Change the task",
    words: <p>It has not started. Once it has, nothing is changed any more.</p>,
    fields: () => (
      <>
        <div class="three">
          {/* What waits for other tasks starts after them. */}
          {state !== "waiting" && <TimeField label="Start" value={runAt} hint="When?" />}
          <TimeField label="Expires" value={expiresAt} hint="Never" />
          <SelectField label="Lane" value={lane} options={LANES.map((name) => [name, name] as const)} />
          <TextField label="Most attempts" value={maxAttempts} />
        </div>
        <TagsField value={tags} />
        <EditedInputField input={input} />
      </>
    ),
    call: () =>
      isRight() && Object.keys(body()).length > 0 ? { method: "PATCH", path: `/v1/tasks/${id}`, body: body() } : null,
    code: () => `await client.change(${literal(id)}, ${literal(body())});`,
    run: async () => {
      await client().change(id, body());
      return `${task.task} is changed`;
    },
  });
}

export function askRunNow({ id, task, runAt, pausedAt }: TaskResource): void {
  ask({
    title: `Run ${task} now`,
    verb: "Run it now",
    words: (
      <p>
        {pausedAt === undefined ? (
          <>
            Now, and not at <At at={runAt} />.
          </>
        ) : (
          "It is no longer held back."
        )}{" "}
        Limits and a paused lane still hold it back.
      </p>
    ),
    call: () => ({ method: "POST", path: `/v1/tasks/${id}/run-now` }),
    code: () => `await client.runNow(${literal(id)});`,
    run: async () => {
      await client().runNow(id);
      return `${task} is to run now`;
    },
  });
}

export function askPause({ id, task, expiresAt }: TaskResource): void {
  ask({
    title: `Pause ${task}`,
    verb: "Pause the task",
    words: (
      <p>
        It starts only once it is resumed.
        {expiresAt !== null && (
          <>
            {" "}
            It still expires at <At at={expiresAt} />.
          </>
        )}
      </p>
    ),
    call: () => ({ method: "POST", path: `/v1/tasks/${id}/pause` }),
    code: () => `await client.pause(${literal(id)});`,
    run: async () => {
      await client().pause(id);
      return `${task} is paused`;
    },
  });
}

export function askResume({ id, task }: TaskResource): void {
  ask({
    title: `Resume ${task}`,
    verb: "Resume the task",
    words: <p>It starts at its time, or now where that is over.</p>,
    call: () => ({ method: "POST", path: `/v1/tasks/${id}/resume` }),
    code: () => `await client.resume(${literal(id)});`,
    run: async () => {
      await client().resume(id);
      return `${task} goes on`;
    },
  });
}
