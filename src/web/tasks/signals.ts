/** `POST /v1/tasks/{id}/signals/{name}`. */

import { z } from "zod";
import { writeJson } from "../../core/json.ts";
import { isSignalName, SIGNAL_NAME_RULE } from "../../core/signal-name.ts";
import { isTerminal } from "../../core/states.ts";
import { signal } from "../../engine/signal.ts";
import { operation } from "../operation.ts";
import { refuse } from "../problem.ts";
import { findRow, pointTo } from "./shared.ts";

export const sendSignal = operation({
  id: "sendSignal",
  method: "post",
  path: "/v1/tasks/{id}/signals/{name}",
  tag: "tasks",
  summary: "Send a signal to a task",
  description:
    "The JSON body is what `ctx.waitForSignal(name)` gets; it is kept until asked for. No body means null. One that does not fit the schema of the wait is passed over, with a warning in the task's log. A callback address (`ctx.callbackUrl`) is good for one signal.",
  scope: "submit",
  audits: "task.signal",
  link: "signal",
  query: z.strictObject({}),
  body: z.unknown(),
  answers: {
    202: {
      description: "Kept",
      schema: z.object({ accepted: z.literal(true) }).meta({ id: "Accepted" }),
      headers: ["Location", "Retry-After"],
    },
  },
  problems: ["invalid-request", "not-found", "conflict", "quota-exceeded", "unavailable"],
  async handle({ c, env, principal, params, body, audit }) {
    const name = params["name"]!;
    if (!isSignalName(name)) refuse("invalid-request", `The signal's name is not valid: ${SIGNAL_NAME_RULE}.`);
    const row = await findRow(env, principal, params["id"]!);
    if (isTerminal(row.state)) refuse("conflict", `The task has ended: it is ${row.state}.`);
    const { text, fault } = writeJson(body ?? null);
    if (fault !== null) refuse("invalid-body", "The body has a number that is too large.", [fault]);
    const entry = audit(row.id, { detail: { name } });
    await signal(env, c.executionCtx, row, name, text, Date.now(), principal.linkId, entry);
    pointTo(c, row);
    return c.json({ accepted: true }, 202);
  },
});
