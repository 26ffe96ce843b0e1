/** Pauses and resumes schedules. */

import { rhythmOf } from "../../core/rhythm.ts";
import type { Audit } from "../../results/audit.ts";
import { readSchedule } from "../../results/schedules/read.ts";
import { storeSchedule } from "../../results/schedules/put.ts";
import type { ScheduleRow } from "../../results/schedules/row.ts";
import { announce } from "../announce.ts";
import { planOf, specOf } from "./plan.ts";

/** Pauses a schedule: it does not tick, and the ticks of that time are not made up for. Answers the schedule; null where there is none. */
export async function pauseSchedule(
  env: Env,
  tenant: string,
  id: string,
  now: number,
  audit: Audit | null = null,
): Promise<ScheduleRow | null> {
  return change(env, tenant, id, now, audit, (row) => (row.paused ? row : { ...row, paused: 1, nextAt: null }));
}

/** Resumes a schedule: it ticks again from now on, in the phase that it had. Answers the schedule; null where there is none. */
export async function resumeSchedule(
  env: Env,
  tenant: string,
  id: string,
  now: number,
  audit: Audit | null = null,
): Promise<ScheduleRow | null> {
  return change(env, tenant, id, now, audit, (row) => {
    if (!row.paused) return row;
    return { ...row, paused: 0, nextAt: rhythmOf(planOf(specOf(row), row.anchor).timing).next(now) };
  });
}

/** Reads the schedule, decides and stores; again where another call has changed it in between. */
async function change(
  env: Env,
  tenant: string,
  id: string,
  now: number,
  audit: Audit | null,
  decide: (row: ScheduleRow) => ScheduleRow,
): Promise<ScheduleRow | null> {
  for (;;) {
    const row = await readSchedule(env.DB, tenant, id);
    if (row === null) return null;
    const wanted = decide(row);
    if (wanted === row) return row;
    const changed = await storeSchedule(env.DB, wanted, row.revision, now, audit);
    if (changed === null) continue;
    await announce(env, { lookAt: changed.nextAt }, now);
    return changed;
  }
}
