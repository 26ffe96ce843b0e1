/**
 * Supervises one attempt: runs it, tells it to stop when its time is up or its task is cancelled,
 * and commits its end. If anything goes wrong here, the attempt's lease runs out.
 */

import { log } from "../core/log.ts";
import { CANCEL_GRACE_MS, MAX_TIMEOUT_MS } from "../core/bounds.ts";
import { settle, type Ending } from "../core/settle.ts";
import type { Undoing } from "../core/undo.ts";
import { OBJECT, TOLD } from "../core/wake.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { noteLateEnd } from "../results/commit-attempts.ts";
import { jsonOf } from "../results/task-row.ts";
import type { Attempt } from "./attempt.ts";
import type { Committer } from "./committer.ts";
import { narrateEnd, narrateStart } from "./narrate.ts";
import type { Ran } from "./run-attempt.ts";
import { enter, firstRenewal, leave, type RunningAttempt } from "./running.ts";

/** How often an event checks its attempts for time limits, stop orders, and leases to renew. */
export const LOOK_EVERY_MS = 200;

/** Time of the event that is reserved for the commit: every grace ends before it. */
const COMMIT_MS = 3_000;

/** How a handler is called for one attempt. */
export type Call = (attempt: Attempt) => Promise<Ran>;

/** The event in which attempts run. */
export interface Frame {
  committer: Committer;
  /** When the platform cuts it off, in ms since the epoch. */
  endBy: number;
  /** Called by the event's one timer: a check of each attempt that runs. */
  looks: Set<() => void>;
  /** Called when an attempt has ended, before its end is committed. */
  ended: () => void;
}

/** Runs an attempt up to the commit of its end. `share`: its part of the handler's call. Never throws. */
export async function supervise(env: Env, attempt: Attempt, frame: Frame, call: Call, share = 1): Promise<void> {
  const { task } = attempt;
  const running: RunningAttempt = {
    id: task.id,
    attempt: task.attempt,
    lane: task.lane,
    tenant: task.tenant,
    share,
    claimedAt: task.startedAt,
    leaseMs: task.leaseMs,
    renewAt: firstRenewal(task.startedAt, task.leaseMs),
    order: null,
    stopAt: null,
    isWatched: (task.object & TOLD) !== 0,
  };
  enter(running);
  try {
    await runToEnd(env, attempt, running, frame, call);
  } catch (error) {
    log("attempt_left_to_its_lease", { taskId: task.id, attempt: task.attempt, error });
  } finally {
    leave(running);
  }
}

async function runToEnd(
  env: Env,
  attempt: Attempt,
  running: RunningAttempt,
  { committer, endBy, looks, ended }: Frame,
  call: Call,
): Promise<void> {
  const { task } = attempt;
  const startedAt = Date.now();
  narrateStart(env, task, attempt.bounds.hardMs);
  const ran = callIn(call, attempt);
  const fenced = Promise.withResolvers<Ending | null>();
  const look = () => {
    const order = watch(attempt, running, startedAt, endBy - COMMIT_MS);
    if (order !== undefined) fenced.resolve(order);
  };
  looks.add(look);

  let first: Ran | Ending | null;
  try {
    first = await Promise.race([ran, fenced.promise]);
  } finally {
    looks.delete(look);
    ended();
  }
  if (first === null) return;
  if ("ending" in first) {
    const ending = tooLate(first.ending, attempt, startedAt) ?? first.ending;
    logFailure(task, ending, startedAt);
    const commit = commitOf(attempt, ending, first);
    narrateEnd(env, task, ending, commit, Date.now() - startedAt);
    const held = await committer.add(commit);
    if (!held) await noteLateEnd(env.DB, task.id, task.attempt, { outcome: ending.outcome, at: Date.now() });
    return;
  }
  logFailure(task, first, startedAt);
  const commit = commitOf(attempt, first, null);
  narrateEnd(env, task, first, commit, Date.now() - startedAt);
  await committer.add(commit);
  // The handler was told to stop and did not: it stays in this isolate until it ends, and its result changes nothing.
  const { ending } = await ran;
  await noteLateEnd(env.DB, task.id, task.attempt, { outcome: ending.outcome, at: Date.now() });
}

/** Logs an attempt that went wrong, without the error's message: a handler may have put its input there. */
function logFailure(task: ClaimedTask, ending: Ending, startedAt: number): void {
  const { outcome } = ending;
  if (outcome !== "failed" && outcome !== "timeout" && outcome !== "crashed") return;
  log("attempt_failed", {
    taskId: task.id,
    attempt: task.attempt,
    task: task.task,
    outcome,
    error: "error" in ending ? ending.error.type : null,
    ms: Date.now() - startedAt,
  });
}

/** An error of the worker itself counts as a crash of the attempt, not as a failure of the task. */
async function callIn(call: Call, attempt: Attempt): Promise<Ran> {
  try {
    return await call(attempt);
  } catch (error) {
    const { task } = attempt;
    log("attempt_died", { taskId: task.id, attempt: task.attempt, error });
    return { ending: { outcome: "crashed" }, progress: null, used: false };
  }
}

/**
 * The ending to commit without waiting for the handler; null where the attempt has lost its task; undefined to go on.
 * `graceUntil`: when the last grace ends, in ms since the epoch.
 */
function watch(
  { bounds, control }: Attempt,
  running: RunningAttempt,
  startedAt: number,
  graceUntil: number,
): Ending | null | undefined {
  const ranMs = Date.now() - startedAt;
  if (running.order === "lost") {
    control.stop({ cause: "lost", message: "the task is in another attempt, or has ended" });
    return null;
  }
  if (running.order === "cancelled") {
    control.stop({ cause: "cancelled", message: "the task was cancelled", isWatched: running.isWatched });
    running.stopAt ??= Math.min(Date.now() + CANCEL_GRACE_MS, graceUntil);
    if (Date.now() >= running.stopAt) return { outcome: "cancelled" };
  }
  if (ranMs >= bounds.hardMs) {
    control.stop({ cause: "timeout", message: timeoutMessage(bounds.hardMs) });
    if (ranMs >= bounds.hardMs + control.graceMs || Date.now() >= graceUntil) return timedOut(bounds.hardMs);
  }
  if (Date.now() >= graceUntil) {
    // The attempt began too late in its event. The task is given back, and no attempt is used up.
    control.stop({
      cause: "lost",
      message: "its event ends before its time limit; the task goes on in another attempt",
    });
    return { outcome: "snoozed", delayMs: 0 };
  }
  if (bounds.softMs !== null && ranMs >= bounds.softMs) {
    control.stop({ cause: "soft_timeout", message: `the attempt has run for its soft limit of ${bounds.softMs} ms` });
  }
  return undefined;
}

/** A handler that blocked the isolate may end past its limit before any timer could fire: that is a timeout too. */
function tooLate(ending: Ending, { bounds, control }: Attempt, startedAt: number): Ending | null {
  const overdue =
    control.reason?.cause === "timeout" || Date.now() - startedAt > bounds.hardMs + control.graceMs + LOOK_EVERY_MS;
  const { outcome } = ending;
  return overdue && outcome !== "crashed" && outcome !== "undone" ? timedOut(bounds.hardMs) : null;
}

function timedOut(hardMs: number): Ending {
  return { outcome: "timeout", error: { type: "timeout", message: timeoutMessage(hardMs) } };
}

function timeoutMessage(hardMs: number): string {
  const most = `${MAX_TIMEOUT_MS / 60_000}m`;
  return `the attempt did not end within ${hardMs} ms. \`timeout\`, in the task's definition or in the submission's options, allows up to ${most}`;
}

function commitOf({ task, bounds }: Attempt, ending: Ending, ran: Ran | null) {
  const at = Date.now();
  return {
    ...settle({ ...task, undoing: jsonOf<Undoing>(task.undo) }, ending, bounds.policy, at, Math.random()),
    id: task.id,
    attempt: task.attempt,
    startedAt: task.startedAt,
    at,
    progress: ran?.progress ?? null,
    object: ran?.used ? OBJECT.used : 0,
    mayRelease: task.mayRelease === 1,
    concurrency: task.concurrency,
    task: task.task,
    tags: task.tags,
    limitedBy: task.limitedBy,
  };
}
