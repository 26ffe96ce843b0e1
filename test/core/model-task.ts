/**
 * The life of one task, written down a second time: in memory, verb by verb, from API.md and not from the SQL.
 * What the engine does to a row is compared with it.
 */

import { DEFAULT_RETENTION_MS, LEASE_MS, MAX_HISTORY } from "../../src/core/bounds.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { settle, type Ending } from "../../src/core/settle.ts";
import { isTerminal } from "../../src/core/states.ts";
import type { Lived } from "../../src/core/timeline.ts";
import type { Undoing } from "../../src/core/undo.ts";
import { OBJECT, wake } from "../../src/core/wake.ts";

/** A task as the model knows it. Instants are ms since the epoch. */
export interface ModelTask extends Lived {
  failures: number;
  crashes: number;
  maxAttempts: number;
  expiresAt: number | null;
  leaseUntil: number | null;
  retentionMs: number;
  retainUntil: number | null;
  object: number;
  pausedAt?: number | null;
  /** Whether the cancel that its attempt was told of asks for its steps to be undone. */
  cancelUndo: 0 | 1;
}

export interface Wanted {
  delayMs: number;
  expiresInMs: number | null;
  maxAttempts: number;
}

export function submitted({ delayMs, expiresInMs, maxAttempts }: Wanted, now: number): ModelTask {
  return {
    state: delayMs > 0 ? "scheduled" : "queued",
    run: 1,
    attempt: 0,
    history: [],
    createdAt: now,
    runAt: now + delayMs,
    startedAt: null,
    finishedAt: null,
    cancelRequestedAt: null,
    undo: null,
    flowId: null,
    parentId: null,
    failures: 0,
    crashes: 0,
    maxAttempts,
    expiresAt: expiresInMs === null ? null : now + expiresInMs,
    leaseUntil: null,
    retentionMs: DEFAULT_RETENTION_MS,
    retainUntil: null,
    object: 0,
    cancelUndo: 0,
  };
}

/** A worker takes it, if it is there to be taken. */
export function claimed(task: ModelTask, now: number): ModelTask {
  const isTooLate = task.startedAt === null && task.expiresAt !== null && task.expiresAt <= now;
  if (task.state !== "queued" || isTooLate) return task;
  return { ...task, state: "running", attempt: task.attempt + 1, startedAt: now, leaseUntil: now + LEASE_MS };
}

/** The attempt ended; nothing happens where it is not the running one. */
export function ended(task: ModelTask, attempt: number, ending: Ending, now: number): ModelTask {
  if (task.state !== "running" || task.attempt !== attempt) return task;
  const settled = settle({ ...task, undoing: undoingOf(task) }, ending, POLICY, now, 0);
  const { outcome, state, attemptError, runAt, failures, crashes } = settled;
  const isCancelled = task.cancelRequestedAt !== null && task.undo === null;
  const isBad = isCancelled ? task.cancelUndo === 1 : state === "failed";
  const undoes = isBad && task.undo === null && (task.object & OBJECT.undo) !== 0;
  const to = undoes ? "queued" : isCancelled ? "cancelled" : state;
  const record = {
    number: attempt,
    run: task.run,
    runAt: task.runAt,
    outcome: isCancelled ? ("cancelled" as const) : outcome,
    error: attemptError,
    startedAt: task.startedAt ?? now,
    finishedAt: now,
    to,
  };
  const kept = task.history.length < MAX_HISTORY ? task.history : task.history.toSpliced(1, 1);
  const moved = {
    ...task,
    state: to,
    failures,
    crashes: undoes ? 0 : crashes,
    runAt: undoes ? now : (runAt ?? task.runAt),
    leaseUntil: null,
    undo: undoes ? toUndo(isCancelled ? CANCELLED : { state: "failed", error: settled.error! }) : task.undo,
  };
  return { ...(isTerminal(to) ? over(moved, now) : moved), history: [...kept, record] };
}

/** The policy of every task of the model: a second, then two, then four … */
export const POLICY = { ...DEFAULT_RETRY, jitter: "none" as const };

export function renewed(task: ModelTask, attempt: number, now: number): ModelTask {
  return task.state === "running" && task.attempt === attempt ? { ...task, leaseUntil: now + LEASE_MS } : task;
}

/** Undoing is not cancelled; what has something to undo does so first, where that is wanted. */
export function cancelled(task: ModelTask, now: number, undo = false): ModelTask {
  if (isTerminal(task.state) || task.undo !== null) return task;
  if (task.state === "running") {
    return { ...task, cancelRequestedAt: task.cancelRequestedAt ?? now, cancelUndo: undo ? 1 : task.cancelUndo };
  }
  if (undo && task.object & OBJECT.undo) {
    const runAt = task.state === "queued" ? task.runAt : now;
    return { ...task, state: "queued", cancelRequestedAt: now, runAt, crashes: 0, undo: toUndo(CANCELLED) };
  }
  return over({ ...task, state: "cancelled", cancelRequestedAt: now }, now);
}

/** A new run of a task that has not succeeded; in the very millisecond of its end it is still ending. */
export function retried(task: ModelTask, now: number): ModelTask {
  if (!isTerminal(task.state) || task.state === "succeeded" || task.finishedAt! >= now) return task;
  return {
    ...task,
    state: "queued",
    run: task.run + 1,
    failures: 0,
    crashes: 0,
    runAt: now,
    finishedAt: null,
    retainUntil: null,
    expiresAt: null,
    cancelRequestedAt: null,
    cancelUndo: 0,
    object: task.object & ~OBJECT.undo,
  };
}

/** By hand, before its first start; it has another number for each time that it leaves the queue. */
export function held(task: ModelTask, delayMs: number, pauses: boolean, now: number): ModelTask {
  if (task.startedAt !== null || (task.state !== "queued" && task.state !== "scheduled")) return task;
  const pausedAt = pauses ? (task.pausedAt ?? now) : null;
  const start = pauses ? task.runAt : now + delayMs;
  const isHeld = pausedAt !== null || start > now;
  if (!isHeld && task.state === "queued") return { ...task, pausedAt };
  const run = isHeld && task.state === "queued" ? task.run + 1 : task.run;
  return { ...task, run, pausedAt, runAt: start, state: isHeld ? "scheduled" : "queued" };
}

/** A step has ended that can be undone. */
export function undoable(task: ModelTask): ModelTask {
  return { ...task, object: task.object | OBJECT.undo };
}

/** How the task ends once its steps are undone; null while they are not. */
export function undoingOf({ undo }: Pick<ModelTask, "undo">): Undoing | null {
  return undo === null ? null : (JSON.parse(undo) as Undoing);
}

/** An attempt that undoes steps does not succeed: it has undone them. */
export function endingFor(task: Pick<ModelTask, "undo">, ending: Ending): Ending {
  const undoing = undoingOf(task);
  return undoing !== null && ending.outcome === "succeeded" ? { outcome: "undone", undoing, failures: [] } : ending;
}

const CANCELLED: Undoing = { state: "cancelled", error: { type: "cancelled", message: "cancelled on request" } };

function toUndo(undoing: Undoing): string {
  return JSON.stringify(undoing);
}

/** The clock looks at it; null where it is purged. `isRipe`: it may be rescued, if its lease is over. */
export function looked(task: ModelTask, now: number, isRipe: boolean): ModelTask | null {
  const verb = wake(task, now).do;
  if (verb === "purge") return null;
  if (verb === "start") return { ...task, state: "queued" };
  if (verb === "expire") return over({ ...task, state: "expired" }, now);
  return verb === "rescue" && isRipe ? ended(task, task.attempt, { outcome: "crashed" }, now) : task;
}

function over(task: ModelTask, now: number): ModelTask {
  return { ...task, finishedAt: now, retainUntil: now + task.retentionMs, undo: null };
}
