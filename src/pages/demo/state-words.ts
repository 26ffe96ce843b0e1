/** The states of a task in the words of the page. */

import type { TaskResource } from "../../contract/task.ts";

export type State = TaskResource["state"];

const WORDS: Record<State, { label: string; ended: boolean; meanwhile: string }> = {
  scheduled: { label: "Scheduled", ended: false, meanwhile: "Starts later" },
  queued: { label: "Queued", ended: false, meanwhile: "Accepted, waits for a worker" },
  waiting: { label: "Waiting", ended: false, meanwhile: "Waits for something else" },
  running: { label: "Running", ended: false, meanwhile: "" },
  retrying: { label: "Retrying", ended: false, meanwhile: "The last attempt failed, another one follows" },
  succeeded: { label: "Succeeded", ended: true, meanwhile: "" },
  failed: { label: "Failed", ended: true, meanwhile: "" },
  cancelled: { label: "Cancelled", ended: true, meanwhile: "" },
  expired: { label: "Expired", ended: true, meanwhile: "" },
};

/** What the badge says. */
export function stateLabel(state: State): string {
  return WORDS[state].label;
}

/** Whether nothing follows this state. */
export function isEnded(state: State): boolean {
  return WORDS[state].ended;
}

/** The words shown for a task that has no result yet; may be empty. */
export function meanwhile(state: State): string {
  return WORDS[state].meanwhile;
}
