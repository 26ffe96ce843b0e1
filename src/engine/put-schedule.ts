/** Makes and changes schedules. */

import { pokeClock } from "../broker/poke.ts";
import type { putScheduleSchema, ScheduleInput } from "../contract/schedule.ts";
import { ProblemError, problem } from "../core/problems.ts";
import { rhythmOf } from "../core/rhythm.ts";
import { anchorOf } from "../core/schedule.ts";
import { readSchedule } from "../results/read-schedules.ts";
import { storeSchedule, type WantedSchedule } from "../results/put-schedule.ts";
import type { ScheduleRow } from "../results/schedule-row.ts";
import type { z } from "zod";
import { newTaskIds } from "./ids.ts";
import { prepare } from "./prepare.ts";
import { planOf, specOf } from "./schedule-plan.ts";
import { demandStorage } from "./storage.ts";

/** Upserts of one schedule that come between a read and its write; each of them got its way, so this ends. */
const MAX_TRIES = 100;

/** Whose schedule is put, and by whom. */
export interface Owner {
  tenant: string;
  source: ScheduleRow["source"];
}

/** A schedule as it was written, and as its schema read it. */
export interface WrittenSchedule {
  raw: ScheduleInput;
  parsed: z.output<typeof putScheduleSchema>;
}

/**
 * Makes the schedule be as written; nothing is stored where it is so already. Throws a problem where
 * the task would be refused, or the schedule is declared in code.
 */
export async function putSchedule(
  env: Env,
  owner: Owner,
  id: string,
  written: WrittenSchedule,
  now: number,
): Promise<{ row: ScheduleRow; created: boolean }> {
  const input = checkTask(env, owner.tenant, written.raw, now);
  for (let i = 0; i < MAX_TRIES; i++) {
    const before = await readSchedule(env.DB, owner.tenant, id);
    if (before?.source === "code" && owner.source === "api") refuseDeclared();
    const wanted = wantedOf(owner, id, written, input, before, now);
    if (before !== null && isSame(before, wanted)) return { row: before, created: false };
    if (owner.source === "api") await demandStorage(env, now);
    const row = await storeSchedule(env.DB, wanted, before?.revision ?? null, now);
    if (row === null) continue;
    if (row.nextAt !== null) await pokeClock(env, row.nextAt);
    return { row, created: before === null };
  }
  throw new ProblemError(problem("unavailable", "Too many change this schedule at once; try again."), {
    "Retry-After": "1",
  });
}

/** A schedule that the deployment declares is changed by the next deployment alone. */
export function refuseDeclared(): never {
  const detail = "The schedule is declared in code (src/tasks/schedules.ts): it can be paused, resumed and run here.";
  throw new ProblemError(problem("schedule-conflict", detail));
}

/** Every tick's task is checked now, so that a mistake does not wait for the first of them. Answers the input as JSON text. */
function checkTask(env: Env, tenant: string, raw: ScheduleInput, now: number): string | null {
  const { task, input, options } = raw;
  const body = { task, ...(input === undefined ? {} : { input }), ...(options === undefined ? {} : { options }) };
  const prepared = prepare(env, body, { tenant, traceparent: null }, newTaskIds(1)[0]!, now);
  if (prepared.ok) return prepared.task.input;
  const { name, detail, errors } = prepared.problem;
  // A 404 would say that there is no such schedule.
  throw new ProblemError(problem(name === "unknown-task" ? "invalid-body" : name, detail, errors));
}

function wantedOf(
  { tenant, source }: Owner,
  id: string,
  { raw, parsed }: WrittenSchedule,
  input: string | null,
  before: ScheduleRow | null,
  now: number,
): WantedSchedule {
  const iso = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString());
  const { cron, every, task, options } = raw;
  const { timezone, overlap, catchUp } = parsed;
  const spec = JSON.stringify({
    cron,
    every,
    timezone,
    task,
    options,
    overlap,
    catchUp,
    startAt: iso(parsed.startAt),
    endAt: iso(parsed.endAt),
  });
  const planned = before === null ? null : planOf(specOf(before), before.anchor);
  const wished = { everyMs: parsed.every ?? null, startAt: parsed.startAt ?? null };
  const { timing } = planOf(specOf({ spec }), anchorOf(wished, planned?.timing ?? null, now));
  const paused = parsed.paused === undefined ? (before?.paused ?? 0) : Number(parsed.paused);
  const goesOn = before?.paused === 0 && JSON.stringify(timing) === JSON.stringify(planned?.timing);
  // A tick that is due already stays due.
  const nextAt = goesOn ? before.nextAt : rhythmOf(timing).next(now);
  return { tenant, id, source, spec, input, paused, anchor: timing.anchor, nextAt: paused ? null : nextAt };
}

function isSame(row: ScheduleRow, wanted: WantedSchedule): boolean {
  const { source, spec, input, paused, anchor, nextAt } = wanted;
  return (
    row.source === source &&
    row.spec === spec &&
    row.input === input &&
    row.paused === paused &&
    row.anchor === anchor &&
    row.nextAt === nextAt
  );
}
