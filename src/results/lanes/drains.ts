/** Lanes that finish what they have and accept nothing new. A lane without a row accepts. */

import { auditStatements, type Audit } from "../audit.ts";
import { persistOr503 } from "../d1.ts";

/** A lane that drains, or did until a moment ago. */
export interface Drain {
  name: string;
  reason: string | null;
  /** When it accepts again by itself, in ms since the epoch. */
  until: number | null;
}

/** Whether the lane accepts new work at `at`: SQL of two SQL expressions. */
export function laneAccepts(lane: string, at: string): string {
  return `NOT EXISTS (SELECT 1 FROM drains
    WHERE drains.name = ${lane} AND (drains.until IS NULL OR drains.until > ${at}))`;
}

/** The same for all of the lanes in a JSON array. */
export function lanesAccept(lanes: string, at: string): string {
  return laneAccepts(`(SELECT value FROM json_each(${lanes}) WHERE value = drains.name)`, at);
}

export const DRAINS = "SELECT name, reason, until FROM drains";

/** The lanes that drain at `now`: none as a rule, a handful at most. */
export async function readDrains(db: D1Database, now: number): Promise<Drain[]> {
  const { results } = await persistOr503(() => db.prepare(DRAINS).all<Drain>());
  return results.filter((drain) => isDraining(drain, now));
}

export function isDraining({ until }: Drain, at: number): boolean {
  return until === null || until > at;
}

/** Refuses new work from now on, and lets what a pause held back go on. The clock sends messages for the tasks that waited. */
export async function drainLane(
  db: D1Database,
  name: string,
  reason: string | null,
  until: number | null,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const isNews = `SELECT EXISTS (SELECT 1 FROM lanes WHERE name = ?1 AND paused = 1) OR NOT EXISTS (
    SELECT 1 FROM drains WHERE name = ?1 AND reason IS ?2 AND until IS ?3)`;
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isNews, [name, reason, until]),
      db
        .prepare(
          `INSERT INTO drains (name, reason, until, since) VALUES (?1, ?2, ?3, ?4)
           ON CONFLICT (name) DO UPDATE SET reason = ?2, until = ?3,
             since = CASE WHEN until <= ?4 THEN ?4 ELSE since END`,
        )
        .bind(name, reason, until, now),
      db.prepare("UPDATE lanes SET paused = 0 WHERE name = ?1 AND paused = 1").bind(name),
    ]),
  );
}

export function endDrain(db: D1Database, name: string): D1PreparedStatement {
  return db.prepare("DELETE FROM drains WHERE name = ?1").bind(name);
}
