/** Makes and changes schedules. */

import type { putScheduleSchema, ScheduleInput } from "../../contract/schedule.ts";
import { ProblemError, problem } from "../../core/problems.ts";
import { rhythmOf } from "../../core/rhythm.ts";
import type { Secrets } from "../../core/secret.ts";
import { anchorOf } from "../../core/schedule.ts";
import type { Audit } from "../../results/audit.ts";
import { readSchedule } from "../../results/schedules/read.ts";
import { storeSchedule, type WantedSchedule } from "../../results/schedules/put.ts";
import type { ScheduleRow } from "../../results/schedules/row.ts";
import type { z } from "zod";
import { announce } from "../announce.ts";
import { newTaskIds } from "../ids.ts";
import { prepare } from "../prepare.ts";
import { openSchedule, sealSchedule } from "../sealing/schedule.ts";
import { planOf, specOf } from "./plan.ts";
import { demandRoomFor } from "../quota.ts";
import { demandStorage } from "../storage.ts";

/** How often a put reads again because another one came between its read and its write. Each time another put succeeds, so this ends. */
const MAX_TRIES = 100;

/** The tenant of the schedule that is put, and the caller. */
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
 * Stores the schedule as written, unless it is so already. Throws a problem where
 * the task would be refused, or the schedule is declared in code.
 */
export async function putSchedule(
  env: Env,
  owner: Owner,
  id: string,
  written: WrittenSchedule,
  now: number,
  audit: Audit | null = null,
): Promise<{ row: ScheduleRow; created: boolean }> {
  const input = checkTask(env, owner.tenant, written.raw, now);
  for (let i = 0; i < MAX_TRIES; i++) {
    const before = await readSchedule(env.DB, owner.tenant, id);
    if (before?.source === "code" && owner.source === "api") refuseDeclared();
    const wanted = wantedOf(owner, id, written, input, before, now);
    if (before !== null && isSame(before, wanted) && (await hasSameSecrets(env, before, input.secrets))) {
      return { row: before, created: false };
    }
    if (owner.source === "api") await demandStorage(env, now);
    if (owner.source === "api" && before === null) await demandRoomFor(env, "schedules", owner.tenant, now);
    const sealed = input.secrets === undefined ? null : await sealSchedule(env, wanted, input.secrets);
    const row = await storeSchedule(env.DB, { ...wanted, sealed }, before?.revision ?? null, now, audit);
    if (row === null) continue;
    await announce(env, { lookAt: row.nextAt }, now);
    return { row, created: before === null };
  }
  throw new ProblemError(
    problem("unavailable", "Too many requests change this schedule at the same time; try again."),
    {
      "Retry-After": "1",
    },
  );
}

/** A schedule that the deployment declares is changed by the next deployment alone. */
export function refuseDeclared(): never {
  const detail = "The schedule is declared in code (src/app/schedules.ts): it can be paused, resumed and run here.";
  throw new ProblemError(problem("schedule-conflict", detail));
}

interface CheckedInput {
  /** JSON, without what is secret in it. */
  text: string | null;
  secrets: Secrets | undefined;
}

/** Checks the task of its ticks now, so that the caller learns of a mistake before the first tick. */
function checkTask(env: Env, tenant: string, raw: ScheduleInput, now: number): CheckedInput {
  const { task, input, options } = raw;
  const body = { task, ...(input === undefined ? {} : { input }), ...(options === undefined ? {} : { options }) };
  const prepared = prepare(env, body, { tenant, traceparent: null }, newTaskIds(1)[0]!, now);
  if (prepared.ok) return { text: prepared.task.input, secrets: prepared.task.secrets };
  const { name, detail, errors } = prepared.problem;
  // A 404 would say that there is no such schedule.
  throw new ProblemError(problem(name === "unknown-task" ? "invalid-body" : name, detail, errors));
}

function wantedOf(
  { tenant, source }: Owner,
  id: string,
  { raw, parsed }: WrittenSchedule,
  input: CheckedInput,
  before: ScheduleRow | null,
  now: number,
): Omit<WantedSchedule, "sealed"> {
  const iso = (at: number | undefined) => (at === undefined ? undefined : new Date(at).toISOString());
  const { cron, every, task } = raw;
  const signs = input.secrets !== undefined && input.secrets.webhook !== null;
  const options = signs ? { ...raw.options, webhook: { ...raw.options!.webhook!, secret: undefined } } : raw.options;
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
  return { tenant, id, source, spec, input: input.text, paused, anchor: timing.anchor, nextAt: paused ? null : nextAt };
}

/** Compares what is sealed by its plain text: sealing the same value again gives another text. */
async function hasSameSecrets(env: Env, row: ScheduleRow, secrets: Secrets | undefined): Promise<boolean> {
  if (row.sealed === null || secrets === undefined) return row.sealed === null && secrets === undefined;
  const opened = await openSchedule(env, row).catch(() => null);
  if (opened === null) return false;
  const { taken, webhook } = opened;
  return webhook === secrets.webhook && JSON.stringify(taken) === JSON.stringify(secrets.taken);
}

function isSame(row: ScheduleRow, wanted: Omit<WantedSchedule, "sealed">): boolean {
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
