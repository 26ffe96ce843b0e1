/** Lanes that are paused (nothing in them starts) or that drain (they accept nothing new). A lane without a row does neither. */

import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persist, persistOr503 } from "../d1.ts";
import { markStatement } from "../rollups.ts";

/** `open`: the row stays only until the tasks that a pause held back have their messages. */
export type LaneMode = "open" | "paused" | "draining";

/** A lane that is paused or drains, or did until a moment ago. */
export interface LaneRow {
  name: string;
  mode: LaneMode;
  reason: string | null;
  /** When it opens, or accepts again, by itself, in ms since the epoch. */
  until: number | null;
  /** 1: tasks wait that a pause has held back. */
  holds: 0 | 1;
}

/** A lane that drains. */
export type Drain = Pick<LaneRow, "name" | "reason" | "until">;

const isIn = (mode: LaneMode, lane: string, at: string) => `EXISTS (SELECT 1 FROM lane_modes
    WHERE lane_modes.name = ${lane} AND lane_modes.mode = '${mode}' AND (lane_modes.until IS NULL OR lane_modes.until > ${at}))`;

/** Whether the lane of a row of `tasks` is open at `at`: an SQL expression. */
export function laneIsOpen(at: string): string {
  return `NOT ${isIn("paused", "tasks.lane", at)}`;
}

/** Whether the lane accepts new work at `at`: SQL of two SQL expressions. */
export function laneAccepts(lane: string, at: string): string {
  return `NOT ${isIn("draining", lane, at)}`;
}

/** The same for all of the lanes in a JSON array. */
export function lanesAccept(lanes: string, at: string): string {
  return laneAccepts(`(SELECT value FROM json_each(${lanes}) WHERE value = lane_modes.name)`, at);
}

export const LANE_MODES = "SELECT name, mode, reason, until, holds FROM lane_modes";

/** Every lane that has a row: none as a rule, a handful at most. */
export async function readLanes(db: D1Database): Promise<LaneRow[]> {
  const { results } = await persistOr503(() => db.prepare(LANE_MODES).all<LaneRow>());
  return results;
}

/** Whether the lane is paused, or drains, at `at`. */
export function isHeldAs(mode: "paused" | "draining", row: LaneRow, at: number): boolean {
  return row.mode === mode && (row.until === null || row.until > at);
}

/** Those of the lanes that drain at `at`. */
export function drainsAmong(rows: readonly LaneRow[], at: number): Drain[] {
  return rows
    .filter((row) => isHeldAs("draining", row, at))
    .map(({ name, reason, until }) => ({ name, reason, until }));
}

/** What a hold is called in the figures over time. */
const MARKS = { paused: "pause", draining: "drain" } as const;

/**
 * Pauses the lane from now on, or drains it, in place of what it did before. The clock sends messages for the
 * tasks that an earlier pause held back.
 */
export async function holdLane(
  db: D1Database,
  mode: "paused" | "draining",
  { name, reason, until }: Drain,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const isNews = `SELECT NOT EXISTS (
    SELECT 1 FROM lane_modes WHERE name = ?1 AND mode = ?2 AND reason IS ?3 AND until IS ?4)`;
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isNews, [name, mode, reason, until]),
      markStatement(db, { kind: MARKS[mode], lane: name, version: null }, now, isNews, [name, mode, reason, until]),
      db
        .prepare(
          `INSERT INTO lane_modes (name, mode, reason, until, since, holds) VALUES (?1, ?2, ?3, ?4, ?5, ?2 = 'paused')
           ON CONFLICT (name) DO UPDATE SET mode = ?2, reason = ?3, until = ?4, holds = MAX(holds, ?2 = 'paused'),
             since = CASE WHEN mode = ?2 AND (until IS NULL OR until > ?5) THEN since ELSE ?5 END`,
        )
        .bind(name, mode, reason, until, now),
    ]),
  );
}

/** Opens the lane in both directions. The clock sends messages for the tasks that waited in it. */
export async function resumeLane(
  db: D1Database,
  name: string,
  audit: Audit | null = null,
  now = Date.now(),
): Promise<void> {
  const isHeld = "SELECT EXISTS (SELECT 1 FROM lane_modes WHERE name = ?1 AND mode <> 'open')";
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isHeld, [name]),
      markStatement(db, { kind: "resume", lane: name, version: null }, now, isHeld, [name]),
      db.prepare("DELETE FROM lane_modes WHERE name = ?1 AND holds = 0").bind(name),
      db.prepare("UPDATE lane_modes SET mode = 'open', reason = NULL, until = NULL WHERE name = ?1").bind(name),
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

/** Forgets that a pause held tasks of the lane back, unless it was paused anew. */
export async function forgetPause(db: D1Database, name: string, now: number): Promise<void> {
  const batch = new Batch(db);
  const isOver = "(mode = 'open' OR mode = 'paused' AND until <= ?2)";
  const hasEnded = "SELECT EXISTS (SELECT 1 FROM lane_modes WHERE name = ?1 AND mode = 'paused' AND until <= ?2)";
  batch.add(
    markStatement(db, { kind: "resume", lane: name, version: null }, now, hasEnded, [name, now]),
    db.prepare(`DELETE FROM lane_modes WHERE name = ?1 AND ${isOver}`).bind(name, now),
    db.prepare("UPDATE lane_modes SET holds = 0 WHERE name = ?1 AND mode = 'draining'").bind(name),
  );
  await batch.run(persist);
}
