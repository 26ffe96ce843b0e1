/** A row as the task resource of the contract. */

import { addressOf } from "../contract/addresses.ts";
import type { AttemptResource, TaskResource } from "../contract/task.ts";
import type { Progress } from "../core/task.ts";
import type { TaskError } from "../core/errors.ts";
import { JsonText } from "../core/stored-json.ts";
import { NO_START, type Wait } from "../core/settle.ts";
import { historyOf, jsonOf, OVERFLOW, type TaskRow, type WholeTaskRow } from "../results/task-row.ts";

/** Which parts of a task are shown, and how. */
export interface View {
  /** The single-task read shows its attempts; lists do not. */
  attempts?: boolean;
  /** Stacks are for admins. */
  stacks?: boolean;
  /** Large inputs and results are {@link JsonText}, for an answer that shows them as they are stored. */
  texts?: boolean;
  /** Of a flow's nodes, only what {@link presentStub} shows. */
  stub?: boolean;
}

const PAYLOADS = ["input", "result"] as const;

export function presentTask(row: WholeTaskRow, view: View = {}): TaskResource {
  const self = addressOf(`/v1/tasks/${row.id}`);
  const omitted = PAYLOADS.filter((kind) => row.overflow & OVERFLOW[kind] && row[kind] === null);
  return {
    id: row.id,
    task: row.task,
    state: row.state,
    input: payloadOf(row.input, view),
    result: row.state === "succeeded" ? payloadOf(row.result, view) : null,
    error: showError(errorOf(row), view),
    progress: jsonOf<Progress>(row.progress),
    attempt: row.attempt,
    maxAttempts: row.maxAttempts,
    ...(view.attempts ? { attempts: presentAttempts(row, view) } : {}),
    lane: row.lane,
    tags: jsonOf<Record<string, string>>(row.tags) ?? {},
    parentId: row.parentId,
    rootId: row.rootId ?? row.id,
    flowId: row.flowId,
    createdAt: iso(row.createdAt),
    // A member of a flow that waits for others has no start yet.
    runAt: iso(row.runAt === NO_START ? row.createdAt : row.runAt),
    startedAt: isoOrNull(row.startedAt),
    finishedAt: isoOrNull(row.finishedAt),
    expiresAt: isoOrNull(row.expiresAt),
    retainUntil: isoOrNull(row.retainUntil),
    cancelRequestedAt: isoOrNull(row.cancelRequestedAt),
    ...(isPaused(row) ? { pausedAt: iso(row.pausedAt!) } : {}),
    waitingFor: presentWait(row),
    ...(omitted.length > 0 ? { omitted } : {}),
    traceparent: row.traceparent,
    links: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  };
}

function isPaused({ state, pausedAt }: TaskRow): boolean {
  return pausedAt !== null && (state === "scheduled" || state === "waiting");
}

/** Up to this many characters, parsing a value and writing it again costs less than a {@link JsonText}. */
const SHORT = 500;

function payloadOf(text: string | null, { texts }: View): unknown {
  return texts && text !== null && text.length > SHORT ? new JsonText(text) : jsonOf(text);
}

/** The members of a task that a caller without the right to read it does not see, besides its relations to other tasks. */
const UNSEEN = { input: null, result: null, error: null, progress: null, tags: {} } as const;

/** The task for a caller without the right to read it: what is needed to refer to it and to wait for its end. */
export function presentStub(row: WholeTaskRow): TaskResource {
  const task = presentTask({ ...row, input: null, result: null, overflow: 0 });
  const omitted = Object.keys(UNSEEN) as (keyof typeof UNSEEN)[];
  const place = { parentId: null, rootId: row.id, flowId: null, waitingFor: null, traceparent: null };
  return { ...task, ...UNSEEN, ...place, omitted };
}

/** What a waiting task waits for: its needs in a flow, or what its handler asked for. */
function presentWait(row: TaskRow): unknown {
  const wait = jsonOf<Partial<Wait>>(row.waitingFor);
  if (wait === null || wait.until === undefined) return wait;
  const { heard: _, asked: __, until, ...rest } = wait;
  return { ...rest, until: isoOrNull(until) };
}

function errorOf(row: TaskRow): TaskError | null {
  const ended = row.state === "failed" || row.state === "cancelled" || row.state === "expired";
  return ended ? jsonOf<TaskError>(row.error) : null;
}

function presentAttempts(row: TaskRow, view: View): AttemptResource[] {
  return historyOf(row).map((entry) => ({
    number: entry.number,
    outcome: entry.outcome,
    error: showError(entry.error, view),
    startedAt: iso(entry.startedAt),
    finishedAt: iso(entry.finishedAt),
    ...(entry.late ? { late: { outcome: entry.late.outcome, at: iso(entry.late.at) } } : {}),
  }));
}

function showError(error: TaskError | null, view: View): TaskError | null {
  if (error === null || view.stacks || error.stack === undefined) return error;
  const { stack: _, ...rest } = error;
  return rest;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}
