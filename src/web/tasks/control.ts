/** Operations on one task: cancel, retry, delete. */

import { z } from "zod";
import { taskSchema } from "../../contract/task.ts";
import { ARROWS, isTerminal, type State } from "../../core/states.ts";
import { cancel } from "../../engine/cancel.ts";
import { findStep } from "../../engine/events/steps.ts";
import { deleteEnded } from "../../engine/delete.ts";
import { prepareInput } from "../../engine/new-input.ts";
import { admitTo } from "../../engine/quota.ts";
import { retry } from "../../engine/retry.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { answerJson } from "../answer-json.ts";
import { operation } from "../operation.ts";
import { demand } from "../principal.ts";
import { refuse } from "../problem.ts";
import { findRow, pointTo, show } from "./shared.ts";

/** A POST that needs no member may come with no body at all. */
export function optionalBody<S extends z.ZodType>(schema: S) {
  return z.preprocess((body) => (body === undefined ? {} : body), schema);
}

/** With `undo`, the task's steps are undone before it ends. */
export const cancelSchema = z
  .strictObject({ reason: z.string().max(500).optional(), undo: z.boolean().optional() })
  .meta({ id: "Cancel" });

export const cancelTask = operation({
  id: "cancelTask",
  method: "post",
  path: "/v1/tasks/{id}/cancel",
  tag: "tasks",
  summary: "Cancel a task",
  description:
    "A running task is asked to stop and has 5 s to end by itself. With `undo`, the steps that it has completed are undone before it ends.",
  scope: "cancel",
  audits: "task.cancel",
  link: "cancel",
  query: z.strictObject({}),
  body: optionalBody(cancelSchema),
  example: { reason: "the order was withdrawn" },
  answers: {
    200: { description: "The task, cancelled", schema: taskSchema },
    202: {
      description: "The task, which was asked to stop or undoes its steps first",
      schema: taskSchema,
      headers: ["Location", "Retry-After"],
    },
  },
  problems: ["not-found", "conflict"],
  async handle({ c, env, principal, params, body, audit }) {
    const before = await findRow(env, principal, params["id"]!);
    if (!isTerminal(before.state)) {
      const { reason = null, undo } = body;
      const [after] = await cancel(env, [before.id], reason, Date.now(), undo, audit(before.id, { detail: body }));
      if (after?.endsAs === "failed") refuse("conflict", "The task has failed and undoes its steps.");
    }
    const row = await findRow(env, principal, before.id);
    if (isTerminal(row.state) && row.state !== "cancelled") {
      refuse("conflict", `The task has ended: it is ${row.state}.`);
    }
    if (!isTerminal(row.state)) pointTo(c, row);
    return answerJson(c, await show(env, principal, row, {}, { attempts: true }), isTerminal(row.state) ? 200 : 202);
  },
});

export const retryTask = operation({
  id: "retryTask",
  method: "post",
  path: "/v1/tasks/{id}/retry",
  tag: "tasks",
  summary: "Run an ended task again",
  scope: "cancel",
  audits: "task.retry",
  description:
    "Its history is kept. With `from`, the name of a step, what a durable task had finished before that step is kept too, and it goes on there; without it all steps run again. `input` replaces the input it had, and needs the scope `submit` too. What depends on a member of a flow runs again after it, and a flow that has ended is open again.",
  body: optionalBody(
    z
      .strictObject({ input: z.unknown().optional(), from: z.string().min(1).max(250).optional() })
      .meta({ id: "Retry" }),
  ),
  example: { input: { name: "herb garden" } },
  answers: {
    202: {
      description: "The task, queued for a new run",
      schema: taskSchema,
      headers: ["Location", "Retry-After"],
    },
  },
  problems: ["not-found", "unknown-task", "conflict", "invalid-input", "quota-exceeded", "unavailable"],
  async handle({ c, env, principal, params, body, audit }) {
    const before = await findRow(env, principal, params["id"]!);
    if (body.input !== undefined) demand(principal, "submit");
    if (body.from !== undefined && !mayRetry(before)) refuse("conflict", whyNotAgain(before));
    const from = body.from === undefined ? null : await findStep(env, before, body.from);
    const input = body.input === undefined ? null : await prepareInput(env, before.tenant, before.task, body.input);
    const more = { tasks: 1, bytes: input?.text?.length ?? 0 };
    const entry = audit(before.id, {
      detail: { newInput: input !== null, ...(from === null ? {} : { from: body.from }) },
    });
    const now = Date.now();
    const run = () => retry(env, c.executionCtx, [before.id], input, now, entry, from);
    const [again] = await admitTo(env, before.tenant, more, now, run, ({ length }) => (length > 0 ? more : {}));
    if (again === undefined) refuse("conflict", whyNotAgain(before));
    const row = await findRow(env, principal, before.id);
    pointTo(c, row);
    return answerJson(c, await show(env, principal, row, {}, { attempts: true }), 202);
  },
});

export const deleteTask = operation({
  id: "deleteTask",
  method: "delete",
  path: "/v1/tasks/{id}",
  tag: "tasks",
  summary: "Remove an ended task and all that belongs to it",
  description:
    "Members of a flow live as long as it: they go with it, by `DELETE /v1/flows/{id}` or at the end of its retention, and removing one alone is a 409.",
  scope: "cancel",
  audits: "task.delete",
  answers: { 204: { description: "It is gone" } },
  problems: ["not-found", "conflict"],
  async handle({ c, env, principal, params, audit }) {
    const row = await findRow(env, principal, params["id"]!);
    if ((await deleteEnded(env, [row.id], audit(row.id, { detail: { task: row.task } }))) === 0) {
      if (row.flowId !== null) refuseMember(row.flowId);
      refuse(
        "conflict",
        isTerminal(row.state)
          ? "Its parent, which has not ended, may still need it, or a webhook has not been told of it yet."
          : `Only an ended task can be removed; this one is ${row.state}. Cancel it first.`,
      );
    }
    return c.body(null, 204);
  },
});

function refuseMember(flowId: string): never {
  const flow = `/v1/flows/${flowId}`;
  refuse(
    "conflict",
    `This task is a member of a flow, and goes with it: DELETE ${flow} removes the flow, once it has ended, with all of its tasks.`,
    [{ pointer: "/flowId", detail: `a member of ${flow}` }],
    { Link: `<${flow}>; rel="up"` },
  );
}

function mayRetry({ state }: WholeTaskRow): boolean {
  return (ARROWS.retry.from as readonly State[]).includes(state);
}

function whyNotAgain(row: WholeTaskRow): string {
  const { state, flowId } = row;
  if (!mayRetry(row) || flowId === null) {
    return `Only a failed, cancelled or expired task runs again; this one is ${state}.`;
  }
  return `All that it needs must have succeeded, and what depends on it must not be at work. Once the flow has ended, POST /v1/flows/${flowId}/retry runs again all that failed.`;
}
