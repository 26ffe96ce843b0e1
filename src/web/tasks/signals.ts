/** `POST /v1/tasks/{id}/signals/{name}`. */

import { z } from "zod";
import { isTerminal } from "../../core/states.ts";
import { signal } from "../../engine/signal.ts";
import { operation } from "../operation.ts";
import { refuse } from "../problem.ts";
import { findRow } from "./shared.ts";

const NAME = /^[A-Za-z0-9_.-]{1,100}$/;

export const sendSignal = operation({
  id: "sendSignal",
  method: "post",
  path: "/v1/tasks/{id}/signals/{name}",
  tag: "tasks",
  summary: "Send a signal to a task",
  description:
    "The JSON body is what `ctx.waitForSignal(name)` gets; it is kept until asked for. No body means null. One that does not fit the schema of the wait is passed over, with a warning in the task's log. A callback address (`ctx.callbackUrl`) is good for one signal.",
  scope: "submit",
  link: "signal",
  query: z.strictObject({}),
  body: z.unknown(),
  answers: { 202: { description: "Kept", schema: z.object({ accepted: z.literal(true) }).meta({ id: "Accepted" }) } },
  problems: ["invalid-request", "not-found", "conflict", "unavailable"],
  async handle({ c, env, principal, params, body }) {
    const name = params["name"]!;
    if (!NAME.test(name)) refuse("invalid-request", "A signal's name is 1 to 100 letters, digits, _, . and -.");
    const row = await findRow(env, principal, params["id"]!);
    if (isTerminal(row.state)) refuse("conflict", `The task has ended: it is ${row.state}.`);
    await signal(env, c.executionCtx, row, name, JSON.stringify(body ?? null), Date.now(), principal.linkId);
    return c.json({ accepted: true }, 202);
  },
});
