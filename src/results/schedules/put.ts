/** Stores schedules, new ones and changed ones. */

import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";
import { SCHEDULE_COLUMNS, type ScheduleRow } from "./row.ts";

/** What an upsert sets. */
export type WantedSchedule = Pick<
  ScheduleRow,
  "tenant" | "id" | "source" | "spec" | "input" | "sealed" | "paused" | "anchor" | "nextAt"
>;

const PUT = `
INSERT INTO schedules (tenant, id, source, spec, input, paused, anchor, next_at, created_at, updated_at, sealed)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?11)
ON CONFLICT (tenant, id) DO UPDATE SET source = ?3, spec = ?4, input = ?5, sealed = ?11, paused = ?6, anchor = ?7, next_at = ?8,
  updated_at = ?9, revision = revision + 1
WHERE schedules.revision = ?10
RETURNING ${SCHEDULE_COLUMNS}`;

/** Whether the schedule is as it was read: of the revision ?3, or not there. */
const UNCHANGED = `
SELECT CASE WHEN ?3 IS NULL THEN NOT EXISTS (SELECT 1 FROM schedules WHERE tenant = ?1 AND id = ?2)
  ELSE EXISTS (SELECT 1 FROM schedules WHERE tenant = ?1 AND id = ?2 AND revision = ?3) END`;

/**
 * Stores the schedule over the one of `revision`, or as a new one (null). Answers it as it is stored;
 * null where another request has changed or made it meanwhile.
 */
export async function storeSchedule(
  db: D1Database,
  wanted: WantedSchedule,
  revision: number | null,
  now: number,
  audit: Audit | null = null,
): Promise<ScheduleRow | null> {
  const { tenant, id, source, spec, input, sealed, paused, anchor, nextAt } = wanted;
  const values = [tenant, id, source, spec, input, paused, anchor, nextAt, now, revision, sealed];
  const entry = auditStatements(db, audit, UNCHANGED, [tenant, id, revision]);
  const batch = new Batch(db);
  batch.add(...entry);
  const stored = batch.first<ScheduleRow>(db.prepare(PUT).bind(...values));
  await batch.run(persistOr503);
  return stored();
}

/** Removes the schedule unless it is of another source; the tasks that it has made stay. Answers whether there was one. */
export async function deleteSchedule(
  db: D1Database,
  tenant: string,
  id: string,
  source: ScheduleRow["source"],
  audit: Audit | null = null,
): Promise<boolean> {
  const which = "tenant = ?1 AND id = ?2 AND source = ?3";
  const entry = auditStatements(db, audit, `SELECT COUNT(*) FROM schedules WHERE ${which}`, [tenant, id, source]);
  const batch = new Batch(db);
  batch.add(...entry);
  const deleted = batch.changes(db.prepare(`DELETE FROM schedules WHERE ${which}`).bind(tenant, id, source));
  await batch.run(persistOr503);
  return deleted() > 0;
}
