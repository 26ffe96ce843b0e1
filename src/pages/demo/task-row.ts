/** One row of the table. The markup is the template in index.html; data gets in as text alone. */

import { ageWords } from "./age.ts";
import { isEnded, meanwhile, stateLabel } from "./state-words.ts";
import { isSettled, type TrackedTask } from "./tracked-task.ts";

/** The end of an id is its random part; the beginning is the time. */
const SHORT_ID = 8;

/** A row, and the function that changes it. */
export interface TaskRow {
  element: HTMLTableRowElement;
  show(task: TrackedTask, now: number): void;
}

/** Makes the row of a task; `onCancel` is called when its button is pressed. */
export function createTaskRow(task: TrackedTask, onCancel: () => void): TaskRow {
  const template = document.querySelector<HTMLTemplateElement>("template#row")!;
  const element = template.content.firstElementChild!.cloneNode(true) as HTMLTableRowElement;
  const part = (name: string) => element.querySelector<HTMLElement>(`[data-part="${name}"]`)!;

  const id = part("id") as HTMLAnchorElement;
  const state = part("state");
  const bar = part("bar") as HTMLProgressElement;
  const steps = part("steps");
  const percent = part("percent");
  const outcome = part("outcome");
  const note = part("note");
  const age = part("age") as HTMLTimeElement;
  const cancel = part("cancel") as HTMLButtonElement;

  element.dataset["task"] = task.id;
  part("name").textContent = task.name;
  id.textContent = task.id.slice(-SHORT_ID);
  id.href = task.links.self;
  id.title = `${task.id}: open as JSON`;
  bar.setAttribute("aria-label", `Progress of ${task.name}`);
  age.dateTime = new Date(task.submittedAt).toISOString();
  age.title = new Date(task.submittedAt).toLocaleString();
  cancel.setAttribute("aria-label", `Cancel ${task.name}`);
  cancel.addEventListener("click", onCancel);

  return {
    element,
    show(task, now) {
      element.dataset["state"] = task.lost === null ? task.state : "lost";
      text(state, task.lost === null ? stateLabel(task.state) : "Out of reach");
      showProgress(task);
      text(outcome, outcomeWords(task));
      text(note, noteWords(task));
      text(age, ageWords(now - task.submittedAt));
      showCancel(task);
    },
  };

  function showProgress({ progress }: TrackedTask): void {
    const share = progress === null ? 0 : shareOf(progress);
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    text(steps, progress === null ? "" : `${progress.done}${progress.total === null ? "" : ` / ${progress.total}`}`);
    text(percent, progress === null || share === null ? "" : `${Math.floor(share * 100)} %`);
  }

  function showCancel(task: TrackedTask): void {
    const hide = task.links.cancel === undefined || isSettled(task);
    // A button that vanishes under the keyboard's focus would send it back to the top of the page.
    if (hide && document.activeElement === cancel) id.focus();
    cancel.hidden = hide;
    cancel.disabled = task.cancelRequested;
    text(cancel, task.cancelRequested ? "Cancelling…" : "Cancel");
  }
}

/** The task's result or its error. Empty while there is neither. */
export function outcomeWords(task: TrackedTask): string {
  if (task.lost !== null) return task.lost;
  if (task.state === "succeeded") return resultWords(task.result);
  if (task.state === "failed") return task.error === null ? "" : `${task.error.type}: ${task.error.message}`;
  if (task.state === "cancelled") return task.error?.message ?? "Cancelled before its end";
  if (task.state === "expired") return task.error?.message ?? "Not started in time";
  return "";
}

/** The example task answers `{ result: "…" }`; anything else is shown as it is. */
function resultWords(result: unknown): string {
  if (typeof result === "string") return result;
  if (typeof result === "object" && result !== null && "result" in result && typeof result.result === "string")
    return result.result;
  return JSON.stringify(result) ?? "";
}

function noteWords(task: TrackedTask): string {
  if (task.lost !== null) return `Last seen ${stateLabel(task.state).toLowerCase()}.`;
  if (isEnded(task.state)) return "";
  if (!task.reachable) return "Connection lost, reconnecting…";
  if (task.refusal !== null) return task.refusal;
  const attempt = task.attempt > 1 ? `Attempt ${task.attempt}. ` : "";
  return attempt + (meanwhile(task.state) || (task.progress?.message ?? ""));
}

function shareOf(progress: NonNullable<TrackedTask["progress"]>): number | null {
  const { done, total, percent } = progress;
  const share = total !== null && total > 0 ? done / total : percent === null ? null : percent / 100;
  return share === null ? null : Math.min(1, Math.max(0, share));
}

/** Leaves the node alone where nothing changed, so that a selection in it survives the ticking. */
function text(node: HTMLElement, words: string): void {
  if (node.textContent !== words) node.textContent = words;
}
