/** Operations that pause, resume and run schedules. */

import { z } from "zod";
import { scheduleSchema } from "../../contract/schedule.ts";
import { taskSchema } from "../../contract/task.ts";
import { pauseSchedule, resumeSchedule } from "../../engine/schedules/control.ts";
import { presentSchedule } from "../../engine/schedules/present.ts";
import { runSchedule } from "../../engine/schedules/run.ts";
import { answerJson } from "../answer-json.ts";
import { operation } from "../operation.ts";
import { optionalBody } from "../tasks/control.ts";
import { retryAfter, show } from "../tasks/shared.ts";
import { noSuchSchedule } from "./shared.ts";

const noMembers = optionalBody(z.strictObject({}));

export const pauseScheduleOperation = operation({
  id: "pauseSchedule",
  method: "post",
  path: "/v1/schedules/{id}/pause",
  tag: "schedules",
  summary: "Pause a schedule",
  description: "Ticks of the time of the pause are not made up for. Tasks that were made go on.",
  scope: "admin",
  audits: "schedule.pause",
  body: noMembers,
  answers: { 200: { description: "The schedule, paused", schema: scheduleSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const id = params["id"]!;
    const row = await pauseSchedule(env, principal.tenant, id, Date.now(), audit(id));
    return row === null ? noSuchSchedule() : c.json(presentSchedule(row), 200);
  },
});

export const resumeScheduleOperation = operation({
  id: "resumeSchedule",
  method: "post",
  path: "/v1/schedules/{id}/resume",
  tag: "schedules",
  summary: "Resume a paused schedule",
  description: "It ticks from now on, in the phase that it had.",
  scope: "admin",
  audits: "schedule.resume",
  body: noMembers,
  answers: { 200: { description: "The schedule, no longer paused", schema: scheduleSchema } },
  problems: ["not-found", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const id = params["id"]!;
    const row = await resumeSchedule(env, principal.tenant, id, Date.now(), audit(id));
    return row === null ? noSuchSchedule() : c.json(presentSchedule(row), 200);
  },
});

export const runScheduleOperation = operation({
  id: "runSchedule",
  method: "post",
  path: "/v1/schedules/{id}/run",
  tag: "schedules",
  summary: "Run a schedule's task now",
  description:
    "Starts a task beside a live one, and also while the schedule is paused. Its `tick` is this moment; the next tick comes at its usual time. Refused while the task's lane drains.",
  scope: "admin",
  audits: "schedule.run",
  body: noMembers,
  answers: { 202: { description: "The task", schema: taskSchema, headers: ["Location", "Retry-After"] } },
  problems: ["not-found", "lane-draining", "quota-exceeded", "unavailable"],
  async handle({ c, env, principal, params, audit }) {
    const now = Date.now();
    const id = params["id"]!;
    const row = await runSchedule(env, principal.tenant, id, now, audit(id));
    if (row === null) return noSuchSchedule();
    c.header("Location", `/v1/tasks/${row.id}`);
    c.header("Retry-After", String(retryAfter(row, now)));
    return answerJson(c, await show(env, principal, row), 202);
  },
});
