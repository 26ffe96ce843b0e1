/** What the operations on schedules have in common. */

import { scheduleIdSchema } from "../../contract/schedule.ts";
import { readSchedule } from "../../results/schedules/read.ts";
import type { ScheduleRow } from "../../results/schedules/row.ts";
import type { Principal } from "../principal.ts";
import { refuse } from "../problem.ts";

export function isScheduleId(text: string): boolean {
  return scheduleIdSchema.safeParse(text).success;
}

/** The tenant's schedule; 404 where there is none. */
export async function findSchedule(env: Env, principal: Principal, id: string): Promise<ScheduleRow> {
  return (await readSchedule(env.DB, principal.tenant, id)) ?? noSuchSchedule();
}

export function noSuchSchedule(): never {
  refuse("not-found", "There is no schedule with this id.");
}
