/** A schedule as the resource of the contract. */

import type { ScheduleResource } from "../../contract/schedule.ts";
import { nextTicks, rhythmOf } from "../../core/rhythm.ts";
import { jsonOf } from "../../results/task-row.ts";
import type { ScheduleRow } from "../../results/schedules/row.ts";
import { planOf, specOf } from "./plan.ts";

const NEXT_RUNS = 10;

/** The resource, with the ticks that come next. */
export function presentSchedule(row: ScheduleRow): ScheduleResource {
  const spec = JSON.parse(row.spec) as Partial<ScheduleResource>;
  const { task, timezone, overlap, catchUp } = specOf(row);
  return {
    id: row.id,
    cron: spec.cron ?? null,
    every: spec.every ?? null,
    timezone,
    task,
    input: jsonOf(row.input),
    options: withoutSecrets(spec.options ?? {}),
    overlap,
    catchUp,
    startAt: spec.startAt ?? null,
    endAt: spec.endAt ?? null,
    paused: row.paused !== 0,
    nextRunAt: row.nextAt === null ? null : iso(row.nextAt),
    nextRuns: nextRuns(row).map(iso),
    lastRuns: JSON.parse(row.lastRuns) as ScheduleResource["lastRuns"],
    source: row.source,
    createdAt: iso(row.createdAt),
    updatedAt: iso(row.updatedAt),
  };
}

function nextRuns(row: ScheduleRow): number[] {
  if (row.nextAt === null) return [];
  const rhythm = rhythmOf(planOf(specOf(row), row.anchor).timing);
  return [row.nextAt, ...nextTicks(rhythm, row.nextAt, NEXT_RUNS - 1)];
}

/** Without the secret that signs its webhook, which no answer shows. */
function withoutSecrets(options: Record<string, unknown>): Record<string, unknown> {
  const { webhook } = options as { webhook?: Record<string, unknown> };
  if (webhook === undefined) return options;
  const { secret: _, ...shown } = webhook;
  return { ...options, webhook: shown };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
