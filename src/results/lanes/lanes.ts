/** Lanes that are held back. A lane without a row is open. */

import { auditStatements, type Audit } from "../audit.ts";
import { persist, persistOr503 } from "../d1.ts";
import { endDrain } from "./drains.ts";

/** A lane that is paused, or was until a moment ago. */
export interface LaneRow {
  name: string;
  /** 0: it is open again, and some tasks that waited have not got their message yet. */
  paused: number;
  reason: string | null;
  /** When it opens by itself, in ms since the epoch. */
  until: number | null;
}

/** Whether the lane of a row of `tasks` is open at `at`: an SQL expression. */
export function laneIsOpen(at: string): string {
  return `NOT EXISTS (SELECT 1 FROM lanes
    WHERE lanes.name = tasks.lane AND lanes.paused = 1 AND (lanes.until IS NULL OR lanes.until > ${at}))`;
}

export const PAUSES = "SELECT name, paused, reason, until FROM lanes";

/** Every lane that has a row: a handful at most. */
export async function readLanes(db: D1Database): Promise<LaneRow[]> {
  const { results } = await persistOr503(() => db.prepare(PAUSES).all<LaneRow>());
  return results;
}

/** Holds the lane back from now on; it accepts, whether or not it was draining. */
export async function pauseLane(
  db: D1Database,
  name: string,
  reason: string | null,
  until: number | null,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const isNews = `SELECT EXISTS (SELECT 1 FROM drains WHERE name = ?1) OR NOT EXISTS (
    SELECT 1 FROM lanes WHERE name = ?1 AND paused = 1 AND reason IS ?2 AND until IS ?3)`;
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isNews, [name, reason, until]),
      db
        .prepare(
          `INSERT INTO lanes (name, paused, reason, until, since) VALUES (?1, 1, ?2, ?3, ?4)
           ON CONFLICT (name) DO UPDATE SET paused = 1, reason = ?2, until = ?3,
             since = CASE WHEN paused = 1 THEN since ELSE ?4 END`,
        )
        .bind(name, reason, until, now),
      endDrain(db, name),
    ]),
  );
}

/** Opens the lane in both directions. The clock sends messages for the tasks that waited in it. */
export async function resumeLane(db: D1Database, name: string, audit: Audit | null = null): Promise<void> {
  const isHeld = `SELECT EXISTS (SELECT 1 FROM drains WHERE name = ?1)
    OR EXISTS (SELECT 1 FROM lanes WHERE name = ?1 AND paused = 1)`;
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isHeld, [name]),
      db.prepare("UPDATE lanes SET paused = 0 WHERE name = ?1 AND paused = 1").bind(name),
      endDrain(db, name),
    ]),
  );
}

/** Makes tasks that wait in the lane due, so that the clock sends messages for them; answers whether those were all. Safe to repeat. */
export async function wakeLane(
  db: D1Database,
  name: string,
  now: number,
  horizon: number,
  limit: number,
): Promise<boolean> {
  const { meta } = await persist(() =>
    db
      .prepare(
        `UPDATE tasks SET due_at = ?2 WHERE id IN (
           SELECT id FROM tasks INDEXED BY tasks_due
           WHERE due_at > ?2 AND due_at <= ?3 AND state = 'queued' AND lane = ?1 LIMIT ?4)`,
      )
      .bind(name, now, horizon, limit)
      .run(),
  );
  return meta.changes < limit;
}

/** Forgets the pause, unless the lane was paused anew. */
export async function forgetPause(db: D1Database, name: string, now: number): Promise<void> {
  await persist(() =>
    db.prepare("DELETE FROM lanes WHERE name = ?1 AND (paused = 0 OR until <= ?2)").bind(name, now).run(),
  );
}
