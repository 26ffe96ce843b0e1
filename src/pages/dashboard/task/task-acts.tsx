/** What can be done with a task. Each asks first. */

import { signal } from "@preact/signals";
import type { StepResource } from "../../../contract/step.ts";
import type { TaskResource } from "../../../contract/task.ts";
import { go, hrefTo } from "../address.ts";
import { ask, copy, say } from "../acts.ts";
import { curlOf, literal } from "../call.ts";
import { askSignal } from "../inbox/signal-act.tsx";
import { CheckField, SelectField, TextField } from "../parts/fields.tsx";
import { client, may } from "../session.ts";
import { useKeys } from "../shell/keyboard.ts";
import { canRetry, isEnded, isUnstarted } from "../states.ts";
import { askChange, askPause, askResume, askRunNow } from "./change-acts.tsx";
import { editedInput, EditedInputField, inputSchemaOf } from "./edited-input.tsx";
import { restartsOf, restartWords } from "./restarts.ts";
import type { Step } from "./step.ts";

/** The most steps that are read; only the API can retry from a later one. */
const MOST_STEPS = 500;

interface TaskActsProps {
  task: TaskResource;
  steps: readonly Step[];
  hasKeys: boolean;
}

export function TaskActs({ task, steps, hasKeys }: TaskActsProps) {
  const acts = actsOf(task, steps);
  const keys = Object.fromEntries(acts.map(({ key, run }) => [key, run]));
  const copyCurl = () => void copy(curlOf({ method: "GET", path: `/v1/tasks/${task.id}` }), "curl");
  useKeys(hasKeys ? { ...keys, ".": copyCurl } : {});
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

interface TaskAct {
  key: string;
  name: string;
  run: () => void;
}

/** The acts that the task's state and the key's scopes allow. */
function actsOf(task: TaskResource, steps: readonly Step[]): TaskAct[] {
  const hasEnded = isEnded(task.state);
  const acts: (TaskAct | false)[] = [
    may("submit") && isUnstarted(task) && { key: "m", name: "Change…", run: () => askChange(task) },
    ...(may("cancel") ? holdingActs(task) : []),
    may("submit") && !hasEnded && { key: "s", name: "Send a signal…", run: () => void askOne(task) },
    may("cancel") && !hasEnded && { key: "c", name: "Cancel…", run: () => askCancel(task) },
    may("cancel") &&
      canRetry(task.state) && { key: "r", name: "Run again…", run: () => void askRetry(task, steps.length > 0) },
    may("submit") &&
      hasEnded && {
        key: "n",
        name: "Submit with edited input…",
        run: () => go(hrefTo("submit", task.task, { from: task.id })),
      },
    may("cancel") && hasEnded && { key: "d", name: "Delete…", run: () => askDelete(task) },
  ];
  return acts.filter((act) => act !== false);
}

function holdingActs(task: TaskResource): TaskAct[] {
  if (!isUnstarted(task)) return [];
  const isPaused = task.pausedAt !== undefined;
  return [
    ...(task.state === "scheduled" ? [{ key: "n", name: "Run now…", run: () => askRunNow(task) }] : []),
    isPaused
      ? { key: "p", name: "Resume…", run: () => askResume(task) }
      : { key: "p", name: "Pause…", run: () => askPause(task) },
  ];
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

/** Asks whether to run it again, and from which of its steps. */
async function askRetry(task: TaskResource, hasSteps: boolean): Promise<void> {
  const { id } = task;
  const steps = hasSteps ? restartsOf(await readSteps(id)) : [];
  const from = signal("");
  const input = editedInput(task, may("submit") ? await inputSchemaOf(task.task) : undefined);
  const body = () => ({
    ...(from.value === "" ? {} : { from: from.value }),
    ...(may("submit") ? input.changed() : {}),
  });
  ask({
    title: `Run ${task.task} again`,
    verb: "Run again",
    words: <p>It is the same task in a new run; its history is kept.</p>,
    fields: () => (
      <>
        {steps.length > 0 && (
          <SelectField
            label="From"
            value={from}
            options={[["", "the beginning: all steps run again"], ...steps.map(restartWords)]}
          />
        )}
        {may("submit") && <EditedInputField input={input} />}
      </>
    ),
    call: () => (input.isRight() ? { method: "POST", path: `/v1/tasks/${id}/retry`, body: body() } : null),
    code: () => `await client.retry(${literal(id)}, ${literal(body())});`,
    run: async () => {
      await client().retry(id, body());
      return `${task.task} runs again`;
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

/** The first {@link MOST_STEPS} steps of a task; none, and a message, where they cannot be read. */
async function readSteps(id: string): Promise<readonly StepResource[]> {
  const steps: StepResource[] = [];
  try {
    for await (const step of client().steps(id)) if (steps.push(step) === MOST_STEPS) break;
  } catch {
    say("The task's steps could not be read: it can run again only from the beginning now.", true);
  }
  return steps;
}

/** Asks for a signal, by the schema of the wait where it is among the latest waits. */
async function askOne({ id, task, waitingFor }: TaskResource): Promise<void> {
  const names = (waitingFor as { signals?: string[] } | null)?.signals ?? [];
  const page =
    names.length === 0
      ? null
      : await client()
          .waits()
          .page()
          .catch(() => null);
  const known = (page?.items ?? []).filter(({ taskId }) => taskId === id);
  const waits = names.map((name) => known.find((wait) => wait.name === name) ?? { name, schema: null, until: null });
  askSignal({ id, task, waits, isNameFree: true });
}
