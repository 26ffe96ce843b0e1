/** `/v1/schedules`: operations that create, read and remove schedules. */

import { z } from "zod";
import { putScheduleSchema, scheduleListSchema, scheduleSchema, type ScheduleInput } from "../../contract/schedule.ts";
import { presentSchedule } from "../../engine/schedules/present.ts";
import { putSchedule, refuseDeclared } from "../../engine/schedules/put.ts";
import { deleteSchedule } from "../../results/schedules/put.ts";
import { listSchedules } from "../../results/schedules/read.ts";
import { operation } from "../operation.ts";
import { cursorAfter, page, pageQuery, readCursor } from "../paging.ts";
import { refuse } from "../problem.ts";
import { findSchedule, isScheduleId, noSuchSchedule } from "./shared.ts";

export const putScheduleOperation = operation({
  id: "putSchedule",
  method: "put",
  path: "/v1/schedules/{id}",
  tag: "schedules",
  summary: "Make a schedule, or change it",
  description:
    "Give `cron` (five fields, or six with seconds first, on the wall of `timezone`) or `every` (at least a second). Where the hours are fixed, a wall time that does not exist ticks at the next valid minute, and one that comes twice ticks once; where they are `*` or stepped, ticks go on through the change of clocks. An interval is counted from `startAt`, or else from the first time it was put: putting the same interval again keeps its phase. `overlap` says what becomes of a tick while the task of the one before is live; `catchUp` which of the ticks that were missed are made up for: a tick is missed when it is more than its interval, or a minute, late. Putting the same again changes nothing; `paused` stays as it is unless given.",
  scope: "admin",
  audits: "schedule.put",
  body: putScheduleSchema,
  example: {
    cron: "30 2 * * MON-FRI",
    timezone: "Europe/Berlin",
    task: "process_item",
    input: { name: "nightly report" },
    overlap: "skip",
    catchUp: "last",
  },
  answers: {
    200: { description: "The schedule as it is now", schema: scheduleSchema },
    201: { description: "The schedule, which is new", schema: scheduleSchema, headers: ["Location"] },
  },
  problems: ["schedule-conflict", "invalid-input", "quota-exceeded", "unavailable"],
  async handle({ c, env, principal, params, body, raw, audit }) {
    const id = params["id"]!;
    if (!isScheduleId(id)) {
      refuse(
        "invalid-body",
        "A schedule's id is 1 to 100 of A-Z, a-z, 0-9, _, -, . and :, and begins with none of the last three.",
      );
    }
    const owner = { tenant: principal.tenant, source: "api" as const };
    const written = { raw: raw as ScheduleInput, parsed: body };
    const { cron, every } = written.raw;
    const entry = audit(id, { detail: { task: body.task, ...(cron === undefined ? { every } : { cron }) } });
    const { row, created } = await putSchedule(env, owner, id, written, Date.now(), entry);
    if (created) c.header("Location", `/v1/schedules/${id}`);
    return c.json(presentSchedule(row), created ? 201 : 200);
  },
});

export const getSchedule = operation({
  id: "getSchedule",
  method: "get",
  path: "/v1/schedules/{id}",
  tag: "schedules",
  summary: "Read a schedule, its next ten ticks and its last ten",
  scope: "read",
  answers: { 200: { description: "The schedule", schema: scheduleSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params }) {
    return c.json(presentSchedule(await findSchedule(env, principal, params["id"]!)), 200);
  },
});

export const listSchedulesOperation = operation({
  id: "listSchedules",
  method: "get",
  path: "/v1/schedules",
  tag: "schedules",
  summary: "List schedules, by their ids",
  scope: "read",
  query: z.strictObject(pageQuery),
  answers: { 200: { description: "A page of schedules", schema: scheduleListSchema, headers: ["Link"] } },
  problems: ["invalid-cursor", "unavailable"],
  async handle({ c, env, principal, query }) {
    const limit = query.limit ?? 50;
    const cursor = readCursor(query.cursor, isScheduleId);
    const rows = await listSchedules(env.DB, principal.tenant, cursor, limit + 1);
    const shown = rows.slice(0, limit);
    return page(c, shown.map(presentSchedule), rows.length > limit ? cursorAfter(shown.at(-1)!.id) : null);
  },
});

export const deleteScheduleOperation = operation({
  id: "deleteSchedule",
  method: "delete",
  path: "/v1/schedules/{id}",
  tag: "schedules",
  summary: "Remove a schedule",
  description: "The tasks that it has made stay as they are.",
  scope: "admin",
  audits: "schedule.delete",
  answers: { 204: { description: "It is gone" } },
  problems: ["not-found", "schedule-conflict", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const { id, source } = await findSchedule(env, principal, params["id"]!);
    if (source === "code") refuseDeclared();
    if (!(await deleteSchedule(env.DB, principal.tenant, id, "api", audit(id)))) return noSuchSchedule();
    return c.body(null, 204);
  },
});
