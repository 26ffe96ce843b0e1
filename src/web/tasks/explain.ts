/** `GET /v1/tasks/{id}/explain`. */

import { explanationSchema } from "../../contract/explanation.ts";
import { explain } from "../../engine/explain/explain.ts";
import { operation } from "../operation.ts";
import { findRow } from "./shared.ts";

export const explainTask = operation({
  id: "explainTask",
  method: "get",
  path: "/v1/tasks/{id}/explain",
  tag: "tasks",
  summary: "Why a task is where it is, and what will move it",
  scope: "read",
  answers: { 200: { description: "The reasons", schema: explanationSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params }) {
    const row = await findRow(env, principal, params["id"]!);
    return c.json(await explain(env, row, Date.now()), 200);
  },
});
