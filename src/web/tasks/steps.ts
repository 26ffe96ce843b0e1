/** `GET /v1/tasks/{id}/steps`. */

import { z } from "zod";
import { stepListSchema } from "../../contract/step.ts";
import { readSteps } from "../../engine/events/steps.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";
import { wholeNumber } from "../request.ts";
import { findRow } from "./shared.ts";

const MOST = 1_000;

const isPlace = (text: string) => /^\d{1,15}$/.test(text);

export const listSteps = operation({
  id: "listTaskSteps",
  method: "get",
  path: "/v1/tasks/{id}/steps",
  tag: "tasks",
  summary: "List the steps of a durable task",
  description:
    "Steps, sleeps, waits for signals and children, in the order in which they began: of the latest run that has begun one. They are kept as long as the task. Empty for a task that has none.",
  scope: "read",
  link: "read",
  query: z.strictObject({
    ...pageQuery,
    limit: wholeNumber(1, MOST)
      .optional()
      .meta({ description: `Items on a page, ${MOST} unless given` }),
  }),
  answers: { 200: { description: "A page of steps", schema: stepListSchema, headers: ["Link"] } },
  problems: ["not-found", "invalid-cursor", "unavailable"],
  async handle({ c, env, principal, params, query }) {
    const { limit = MOST, cursor } = query;
    const after = Number(readCursor(cursor, isPlace) ?? -1);
    const row = await findRow(env, principal, params["id"]!);
    const steps = (await readSteps(env, row)).filter(({ began }) => began > after);
    const items = steps.slice(0, limit).map(({ step }) => step);
    return page(c, items, steps.length > limit ? cursorAfter(String(steps[limit - 1]!.began)) : null);
  },
});
