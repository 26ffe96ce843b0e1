/** Explains why a task is in its state, what will move it on, and when that is likely. Only reads. */

import type { Explanation, Reason } from "../../contract/explanation.ts";
import { byProgress, byRunTimes, byTimer, latest, type Estimate } from "../../core/estimate.ts";
import { UNKNOWN_TASK_MS, UNKNOWN_TASK_TRIES } from "../../core/bounds.ts";
import type { Wait } from "../../core/settle.ts";
import { isTerminal } from "../../core/states.ts";
import { readUnfinishedNeeds } from "../../results/explain.ts";
import { jsonOf, triedInVain, type TaskRow } from "../../results/task-row.ts";
import { isKnown } from "../registry.ts";
import { iso, type Finding } from "./finding.ts";
import { heldBack } from "./held-back.ts";
import { liveProgress } from "../events/live-progress.ts";
import { recentPerformance } from "../stats/recent.ts";
import { summaryOf } from "./summary.ts";

export async function explain(env: Env, row: TaskRow, now: number): Promise<Explanation> {
  const findings = [...unknown(env, row, now), ...(await find(env, row, now))];
  const reasons = findings.map((finding) => finding.reason);
  const start = latest(findings.map((finding) => finding.start));
  const end = row.state === "running" ? await endOf(env, row, now) : null;
  return {
    state: row.state,
    summary: summaryOf(reasons),
    reasons,
    estimatedStartAt: iso(start?.at ?? null),
    estimatedEndAt: iso(end?.at ?? null),
    estimatedFrom: (start ?? end)?.from ?? null,
  };
}

/** For a task that the running code does not know. `until`: its last try, from the number of tries left and the time between two. */
function unknown(env: Env, row: TaskRow, now: number): Finding[] {
  if (isTerminal(row.state) || isKnown(row.task, env)) return [];
  const left = Math.max(0, UNKNOWN_TASK_TRIES - triedInVain(row));
  const until = iso(Math.max(now, row.runAt) + left * UNKNOWN_TASK_MS);
  return [{ reason: { code: "unknown_task", task: row.task, until }, start: null }];
}

async function find(env: Env, row: TaskRow, now: number): Promise<Finding[]> {
  const only = (reason: Reason, start: Estimate | null = null) => [{ reason, start }];
  const runAt = iso(row.runAt);
  switch (row.state) {
    case "succeeded":
    case "failed":
    case "cancelled":
    case "expired":
      return only({ code: "ended", state: row.state, at: iso(row.finishedAt) });
    case "running":
      return only({
        code: "running",
        attempt: row.attempt,
        // Attempts that waited or were cut off have a number too, but do not count as failures.
        ...(row.attempt - 1 > row.failures ? { failures: row.failures, maxAttempts: row.maxAttempts } : {}),
        leaseUntil: iso(row.leaseUntil),
        ...(row.undo === null ? {} : { undoing: true }),
        ...(row.cancelRequestedAt === null ? {} : { cancelRequestedAt: iso(row.cancelRequestedAt) }),
      });
    case "scheduled":
      if (row.pausedAt !== null) return only({ code: "paused", since: iso(row.pausedAt), runAt });
      return only({ code: "scheduled", runAt }, byTimer(row.runAt, now));
    case "retrying": {
      const { failures, maxAttempts } = row;
      return only({ code: "retrying", runAt, failures, maxAttempts }, byTimer(row.runAt, now));
    }
    case "waiting":
      return waitingFor(env, row, now);
    case "queued":
      return heldBack(env, row, now);
  }
}

async function waitingFor(env: Env, row: TaskRow, now: number): Promise<Finding[]> {
  const wait = jsonOf<Omit<Partial<Wait>, "type"> & { type: string }>(row.waitingFor);
  if (wait === null || wait.type === "needs") {
    const { ids, more, front } = await readUnfinishedNeeds(env.DB, row.id);
    const paused: Finding[] =
      row.pausedAt === null ? [] : [{ reason: { code: "paused", since: iso(row.pausedAt) }, start: null }];
    return [{ reason: { code: "waiting_tasks", taskIds: ids, more, front }, start: null }, ...paused];
  }
  const reasons: Reason[] = [];
  const until = iso(wait.until ?? null);
  for (const name of wait.signals ?? []) reasons.push({ code: "waiting_signal", name, until });
  for (const taskIds of wait.tasks ?? [])
    reasons.push({ code: "waiting_tasks", taskIds: taskIds.slice(0, 100), more: taskIds.length > 100 });
  // A signal or the end of a task may come long before the wait times out, so no start is estimated.
  if (reasons.length > 0) return reasons.map((reason) => ({ reason, start: null }));
  return [{ reason: { code: "sleeping", until }, start: byTimer(wait.until ?? null, now) }];
}

/** The progress that the run itself reports gives a better estimate than the run times of other tasks. */
async function endOf(env: Env, row: TaskRow, now: number): Promise<Estimate | null> {
  if (row.startedAt === null || row.undo !== null) return null;
  const progress = await liveProgress(env, row);
  const told = progress && byProgress(row.startedAt, progress.percent, Date.parse(progress.at), now);
  if (told) return told;
  const { run } = await recentPerformance(env, row.tenant, row.task, now);
  return byRunTimes(row.startedAt, run, now);
}
