/** Operations on a task that has not started: change, run now, pause, resume. */

import { z } from "zod";
import type { AuditAction } from "../../contract/audit.ts";
import { taskChangeSchema } from "../../contract/task-change.ts";
import { taskSchema } from "../../contract/task.ts";
import { MAX_HORIZON_MS } from "../../core/bounds.ts";
import { type Fault } from "../../core/problems.ts";
import { isTerminal } from "../../core/states.ts";
import { change } from "../../engine/change.ts";
import { demandAccepting } from "../../engine/lanes/drain.ts";
import { prepareInput } from "../../engine/new-input.ts";
import { admitTo } from "../../engine/quota.ts";
import { findTask } from "../../engine/registry.ts";
import { demandStorage } from "../../engine/storage.ts";
import type { TaskChange } from "../../results/change-tasks.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { answerJson } from "../answer-json.ts";
import { operation } from "../operation.ts";
import { refuse } from "../problem.ts";
import { optionalBody } from "./control.ts";
import { findRow, show } from "./shared.ts";

export const changeTaskOperation = operation({
  id: "changeTask",
  method: "patch",
  path: "/v1/tasks/{id}",
  tag: "tasks",
  summary: "Change a task that has not started",
  description:
    "What is left out stays. `tags` replaces all of them, `expiresAt` may be null, a `runAt` that is over means now. The input is held against the task's schema. 409 once it has started, and where a member of a flow waits for others (`runAt`) or is passed its input.",
  scope: "submit",
  audits: "task.change",
  body: taskChangeSchema,
  example: { runAt: "2026-12-01T08:00:00Z", lane: "bulk" },
  answers: { 200: { description: "The task, changed", schema: taskSchema } },
  problems: [
    "not-found",
    "unknown-task",
    "conflict",
    "invalid-input",
    "quota-exceeded",
    "lane-draining",
    "seal-key-missing",
    "storage-full",
    "unavailable",
  ],
  async handle({ c, env, principal, params, body, audit }) {
    const now = Date.now();
    const { input: newInput, tags, runAt, ...rest } = body;
    const before = await findRow(env, principal, params["id"]!);
    if (!isUnstarted(before)) refuse("conflict", whyNot(before));
    const wanted = {
      ...rest,
      ...(runAt === undefined ? {} : { runAt: Math.max(now, runAt) }),
      ...(tags === undefined ? {} : { tags: Object.keys(tags).length === 0 ? null : JSON.stringify(tags) }),
    } as TaskChange;
    checkTimes(env, before, wanted, now);
    if (wanted.lane !== undefined && wanted.lane !== before.lane) await demandAccepting(env, [wanted.lane], now);
    let added = 0;
    const input = newInput === undefined ? null : await prepareInput(env, before.tenant, before.task, newInput);
    if (input !== null) {
      if (findTask(before.task, env)?.cacheMs !== null) {
        refuse("conflict", "Submissions with the same input share this task, so its input cannot change.");
      }
      await demandStorage(env, now);
      added = Math.max(0, input.text.length - (before.input?.length ?? 0));
    }
    const entry = audit(before.id, { detail: { members: Object.keys(body) } });
    const make = () => change(env, c.executionCtx, before.id, wanted, input, now, entry);
    const more = { bytes: added };
    const isChanged = await (added === 0
      ? make()
      : admitTo(env, before.tenant, more, now, make, (isMade) => (isMade ? more : {})));
    const row = await findRow(env, principal, before.id);
    if (!isChanged) refuse("conflict", whyNot(row, body));
    return answerJson(c, await show(env, principal, row, {}, { attempts: true }));
  },
});

export const runTaskNow = simple(
  "run-now",
  "runTaskNow",
  "Start a task now that has not started",
  "Whatever its `runAt` says, and also where it is paused. Limits and a paused lane still hold it back.",
  "task.run-now",
  (now) => ({ runAt: now, paused: false }),
  (row) => row.state === "queued",
);

export const pauseTask = simple(
  "pause",
  "pauseTask",
  "Hold back a task that has not started",
  "It is `scheduled`, with `pausedAt`, and starts only once it is resumed. It still expires.",
  "task.pause",
  () => ({ paused: true }),
  (row) => row.pausedAt !== null,
);

export const resumeTask = simple(
  "resume",
  "resumeTask",
  "Let a paused task start at its time, or now where that is over",
  "One that is not paused stays as it is.",
  "task.resume",
  () => ({ paused: false }),
  (row) => row.pausedAt === null,
);

/** An operation whose body has no members. `isSo`: whether the task already is as the operation would make it. */
function simple(
  verb: string,
  id: string,
  summary: string,
  description: string,
  audits: AuditAction,
  wanted: (now: number) => TaskChange,
  isSo: (row: WholeTaskRow) => boolean,
) {
  return operation({
    id,
    method: "post",
    path: `/v1/tasks/{id}/${verb}`,
    tag: "tasks",
    summary,
    description,
    scope: "cancel",
    audits,
    body: optionalBody(z.strictObject({})),
    answers: { 200: { description: "The task", schema: taskSchema } },
    problems: ["not-found", "conflict", "unavailable"],
    async handle({ c, env, principal, params, audit }) {
      const before = await findRow(env, principal, params["id"]!);
      const now = Date.now();
      const asked = wanted(now);
      const isDone = isUnstarted(before) && isSo(before);
      const stands = isDone || (await change(env, c.executionCtx, before.id, asked, null, now, audit(before.id)));
      const row = await findRow(env, principal, before.id);
      if (!stands && !(isUnstarted(row) && isSo(row))) refuse("conflict", whyNot(row, asked));
      return answerJson(c, await show(env, principal, row, {}, { attempts: true }));
    },
  });
}

function isUnstarted({ state, startedAt }: WholeTaskRow): boolean {
  return startedAt === null && (state === "scheduled" || state === "queued" || state === "waiting");
}

/** Throws a 422 problem where the task would start only after its expiry, or where one of the times is more than ten years ahead. */
function checkTimes(env: Env, row: WholeTaskRow, { runAt, expiresAt }: TaskChange, now: number): void {
  const found: Fault[] = [];
  if (runAt !== undefined && runAt - now > MAX_HORIZON_MS)
    found.push({ pointer: "/runAt", detail: "is more than ten years ahead" });
  if (expiresAt !== undefined && expiresAt !== null && expiresAt - now > MAX_HORIZON_MS)
    found.push({ pointer: "/expiresAt", detail: "is more than ten years ahead" });
  const expiry = expiresAt === undefined ? row.expiresAt : expiresAt;
  const start = Math.max(now, runAt ?? (row.state === "waiting" ? now : row.runAt));
  const isTouched = runAt !== undefined || expiresAt !== undefined;
  if (isTouched && expiry !== null && expiry <= start + (findTask(row.task, env)?.batch?.waitMs ?? 0)) {
    const pointer = expiresAt === undefined ? "/runAt" : "/expiresAt";
    found.push({ pointer, detail: "the task would start only after its expiry" });
  }
  if (found.length > 0) refuse("invalid-body", "The times contradict each other or their limits.", found);
}

function whyNot(row: WholeTaskRow, body: { runAt?: unknown; input?: unknown } = {}): string {
  if (isTerminal(row.state)) return `The task has ended: it is ${row.state}.`;
  if (!isUnstarted(row))
    return `Only a task that has not started can be changed; this one is ${row.state}, and has started.`;
  if (row.state === "waiting" && body.runAt !== undefined) {
    return "The task waits for other tasks, and starts when they have ended.";
  }
  return body.input === undefined
    ? "The task has changed meanwhile. Read it again."
    : "The flow passes this task its input, so it cannot be changed.";
}
