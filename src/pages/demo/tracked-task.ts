/**
 * The page's state of one task, and how an event or a read changes it. Pure functions: events that are repeated
 * after a reconnect, or that are older than a read, change nothing.
 */

import type { TaskEvent } from "../../contract/event.ts";
import type { TaskResource } from "../../contract/task.ts";
import { isEnded, type State } from "./state-words.ts";

/** The state of one row; JSON, so that it survives a reload. */
export interface TrackedTask {
  id: string;
  name: string;
  /** Addresses with a capability token each, relative to the origin. */
  links: { self: string; events: string; cancel?: string };
  submittedAt: number;
  state: State;
  attempt: number;
  progress: TaskResource["progress"];
  result: unknown;
  error: TaskResource["error"];
  cancelRequested: boolean;
  /** The last event seen: where a new stream goes on. */
  seq: number;
  /** State events from before this instant are older than the last read. */
  readAt: string;
  /** False while the server does not answer. */
  reachable: boolean;
  /** Why this task can no longer be followed, in words; null while it can. */
  lost: string | null;
  /** Why the cancel button did not work, in words. */
  refusal: string | null;
}

/** A task that has just been accepted, before its first event or read. */
export function accepted(task: Pick<TrackedTask, "id" | "name" | "links" | "submittedAt">): TrackedTask {
  return {
    ...task,
    state: "queued",
    attempt: 0,
    progress: null,
    result: null,
    error: null,
    cancelRequested: false,
    seq: 0,
    readAt: "",
    reachable: true,
    lost: null,
    refusal: null,
  };
}

/** Whether there is nothing left to follow. */
export function isSettled(task: TrackedTask): boolean {
  return isEnded(task.state) || task.lost !== null;
}

/** The task after one of its events. */
export function afterEvent(task: TrackedTask, event: TaskEvent): TrackedTask {
  if (isEnded(task.state)) return task;
  // `done` carries the whole task, so its number does not matter.
  if (event.type === "done") return afterRead(task, event.data as TaskResource);
  if (event.seq <= task.seq) return task;

  const next = { ...task, seq: event.seq };
  if (event.type === "progress")
    return { ...next, progress: later(task.progress, event.data as TaskResource["progress"]) };
  if (event.type !== "state" || event.at < task.readAt) return next;
  const { state, attempt } = event.data as { state: State; attempt: number };
  // The end comes with `done`, together with the result: a row never shows one without the other.
  return isEnded(state) ? next : { ...next, state, attempt };
}

/** The task after it was read, or after an operation such as cancel returned it. */
export function afterRead(task: TrackedTask, read: TaskResource): TrackedTask {
  if (isEnded(task.state)) return task;
  return {
    ...task,
    state: read.state,
    attempt: read.attempt,
    progress: later(task.progress, read.progress),
    result: read.result,
    error: read.error,
    cancelRequested: task.cancelRequested || read.cancelRequestedAt !== null,
    readAt: [task.readAt, read.createdAt, read.startedAt ?? "", read.finishedAt ?? ""].toSorted().at(-1) ?? "",
    reachable: true,
  };
}

/** The later of two progress reports: a read may be behind the stream. */
function later(known: TaskResource["progress"], told: TaskResource["progress"]): TaskResource["progress"] {
  if (known === null || told === null) return told ?? known;
  return told.at < known.at ? known : told;
}
