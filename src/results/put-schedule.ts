/** Stores schedules, new ones and changed ones. */

import { persistOr503 } from "./d1.ts";
import { SCHEDULE_COLUMNS, type ScheduleRow } from "./schedule-row.ts";

/** What an upsert decides on. */
export type WantedSchedule = Pick<
  ScheduleRow,
  "tenant" | "id" | "source" | "spec" | "input" | "paused" | "anchor" | "nextAt"
>;

const PUT = `
INSERT INTO schedules (tenant, id, source, spec, input, paused, anchor, next_at, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
ON CONFLICT (tenant, id) DO UPDATE SET source = ?3, spec = ?4, input = ?5, paused = ?6, anchor = ?7, next_at = ?8,
  updated_at = ?9, revision = revision + 1
WHERE schedules.revision = ?10
RETURNING ${SCHEDULE_COLUMNS}`;

/**
 * Stores the schedule over the one of `revision`, or as a new one (null). Answers it as it is stored;
 * null where somebody else has changed it meanwhile, or made it.
 */
export async function storeSchedule(
  db: D1Database,
  wanted: WantedSchedule,
  revision: number | null,
  now: number,
): Promise<ScheduleRow | null> {
  const { tenant, id, source, spec, input, paused, anchor, nextAt } = wanted;
  return persistOr503(() =>
    db.prepare(PUT).bind(tenant, id, source, spec, input, paused, anchor, nextAt, now, revision).first<ScheduleRow>(),
  );
}

/** Removes the schedule unless it is of another source; the tasks that it has made stay. Answers whether there was one. */
export async function deleteSchedule(
  db: D1Database,
  tenant: string,
  id: string,
  source: ScheduleRow["source"],
): Promise<boolean> {
  const { meta } = await persistOr503(() =>
    db.prepare("DELETE FROM schedules WHERE tenant = ?1 AND id = ?2 AND source = ?3").bind(tenant, id, source).run(),
  );
  return meta.changes > 0;
}
