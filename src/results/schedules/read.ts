/** Reads schedules: one, a page of a tenant's, or those that are due. */

import { persist, persistOr503 } from "../d1.ts";
import { DUE_COLUMNS, SCHEDULE_COLUMNS, type ScheduleRow } from "./row.ts";

/** The tenant's schedule, or null where it has none of this id. */
export async function readSchedule(db: D1Database, tenant: string, id: string): Promise<ScheduleRow | null> {
  return persistOr503(() =>
    db
      .prepare(`SELECT ${SCHEDULE_COLUMNS} FROM schedules WHERE tenant = ?1 AND id = ?2`)
      .bind(tenant, id)
      .first<ScheduleRow>(),
  );
}

/** A page of the tenant's schedules in the order of their ids, after `cursor`. */
export async function listSchedules(
  db: D1Database,
  tenant: string,
  cursor: string | null,
  limit: number,
): Promise<ScheduleRow[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(`SELECT ${SCHEDULE_COLUMNS} FROM schedules WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3`)
      .bind(tenant, cursor ?? "", limit)
      .all<ScheduleRow>(),
  );
  return results;
}

/** The ids of the tenant's schedules that the deployment declares. */
export async function listDeclared(db: D1Database, tenant: string): Promise<string[]> {
  const { results } = await persist(() =>
    db.prepare("SELECT id FROM schedules WHERE tenant = ?1 AND source = 'code'").bind(tenant).all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}

/** A schedule that waits for a tick, without its input. */
export interface DueSchedule extends Omit<ScheduleRow, "input" | "sealed"> {
  nextAt: number;
  inputBytes: number;
}

/** The schedules whose ticks wait: those that name one of these lanes, and of those that name no lane, those of these tasks. */
export interface Waiting {
  lanes: string[];
  tasks: string[];
}

const GOES_ON = `NOT COALESCE(
  spec->>'$.options.lane' IN (SELECT value FROM json_each(?1)),
  spec->>'task' IN (SELECT value FROM json_each(?2)))`;

/** The schedules whose tick has come at `now` and does not wait, longest due first. */
export async function readDueSchedules(
  db: D1Database,
  now: number,
  { lanes, tasks }: Waiting,
  limit: number,
): Promise<DueSchedule[]> {
  const { results } = await persist(() =>
    db
      .prepare(`SELECT ${DUE_COLUMNS} FROM schedules WHERE next_at <= ?3 AND ${GOES_ON} ORDER BY next_at LIMIT ?4`)
      .bind(JSON.stringify(lanes), JSON.stringify(tasks), now, limit)
      .all<DueSchedule>(),
  );
  return results;
}

type StoredInput = Pick<ScheduleRow, "tenant" | "id" | "input" | "sealed">;

/** The inputs of these schedules as they are stored. */
export async function readInputs(
  db: D1Database,
  schedules: readonly { tenant: string; id: string }[],
): Promise<StoredInput[]> {
  const keys = JSON.stringify(schedules.map(({ tenant, id }) => ({ tenant, id })));
  const { results } = await persist(() =>
    db
      .prepare(
        `SELECT schedules.tenant, schedules.id, schedules.input, schedules.sealed FROM json_each(?1) AS wanted
         CROSS JOIN schedules ON schedules.tenant = wanted.value->>'tenant' AND schedules.id = wanted.value->>'id'`,
      )
      .bind(keys)
      .all<StoredInput>(),
  );
  return results;
}

/** Answers `nextAt` of the schedule whose tick comes next, whether or not it waits. */
export const NEXT_TICK = "SELECT next_at AS nextAt FROM schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1";

/** When the next tick that does not wait comes, in ms since the epoch; null when none ever does. */
export async function readNextTick(db: D1Database, { lanes, tasks }: Waiting): Promise<number | null> {
  return persist(() =>
    db
      .prepare(`SELECT next_at FROM schedules WHERE next_at IS NOT NULL AND ${GOES_ON} ORDER BY next_at LIMIT 1`)
      .bind(JSON.stringify(lanes), JSON.stringify(tasks))
      .first<number>("next_at"),
  );
}
