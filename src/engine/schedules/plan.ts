/** A schedule's row as the rules see it. */

import { scheduleSpecSchema, type ScheduleSpec } from "../../contract/schedule.ts";
import type { Plan } from "../../core/schedule.ts";
import type { ScheduleRow } from "../../results/schedules/row.ts";

/** What was put, with durations in ms and instants in ms since the epoch. */
export function specOf(row: Pick<ScheduleRow, "spec">): ScheduleSpec {
  return scheduleSpecSchema.parse(JSON.parse(row.spec));
}

/** The rules of a schedule whose intervals are counted from `anchor`. */
export function planOf(spec: ScheduleSpec, anchor: number): Plan {
  const { cron = null, every = null, timezone, startAt = null, endAt = null, overlap, catchUp } = spec;
  return { timing: { cron, everyMs: every, timezone, startAt, endAt, anchor }, overlap, catchUp };
}
