/** Turns of the waiters of a rate: each gets its turn with its token, in the order of the ids. */

import { TURN_GRACE_MS } from "../../core/bounds.ts";
import { CIRCUIT_KEY } from "./circuits.ts";
import { persist } from "../d1.ts";
import { laneIsOpen } from "../lanes/lanes.ts";

/** The time `at`, or that of the task's expiry where it comes first: SQL. Whatever holds a task back, it must expire in time. */
export function orExpiry(at: string): string {
  return `CASE WHEN tasks.started_at IS NULL AND tasks.expires_at < ${at} THEN tasks.expires_at ELSE ${at} END`;
}

/** Whether a row of `tasks` lacks a slot under one of its keys: an SQL expression. What frees a slot sends a message for the task. */
const LACKS_SLOT = `EXISTS (
  SELECT 1 FROM json_each(tasks.concurrency) AS place JOIN limits ON limits.key = place.value->>'key'
  WHERE limits.max <= (SELECT COUNT(*) FROM places WHERE places.key = limits.key AND running = 1))`;

const turnOf = (condition: string) => `
SELECT id, MAX(at) AS at FROM (
  SELECT tasks.id, CAST(CEIL(MAX(buckets.tat, ?2) - buckets.tolerance
    + buckets.interval * (ROW_NUMBER() OVER (PARTITION BY buckets.key ORDER BY tasks.id) - 1)) AS INTEGER) AS at
  FROM tasks, json_each(tasks.rates) AS own JOIN buckets ON buckets.key = own.value->>'key'
  WHERE ${condition} AND tasks.state = 'queued' AND NOT ${LACKS_SLOT}) GROUP BY id`;

// Tasks that start together are in no {@link RateQueue}: the clock starts them at their turn, without a grace.
const LOOK = `(turn.at + CASE WHEN tasks.batch IS NULL THEN ${TURN_GRACE_MS} ELSE 0 END)`;

/** Sets the timers of those of the ids ?1 that are over their rate at ?2, in case they miss their turn. */
export const TURN = `
UPDATE tasks SET due_at = ${orExpiry(LOOK)}
FROM (${turnOf("tasks.id IN (SELECT value FROM json_each(?1))")}) AS turn
WHERE tasks.id = turn.id AND tasks.state = 'queued' AND turn.at > ?2`;

const RATED = "tasks.rates IS NOT NULL AND tasks.rates->0->>'key' IN (SELECT value FROM json_each(?1))";

const RETIME = `
UPDATE tasks SET due_at = ${orExpiry("turn.at")}
FROM (SELECT id, MAX(at, ?2) AS at FROM (${turnOf(RATED)})) AS turn
WHERE tasks.id = turn.id AND tasks.state = 'queued' AND tasks.due_at <> ${orExpiry("turn.at")}`;

/** Gives new turns to all tasks that wait under these rates, whose buckets have changed in the same transaction. */
export function retimeStatement(db: D1Database, keys: string[], now: number): D1PreparedStatement {
  return db.prepare(RETIME).bind(JSON.stringify(keys), now);
}

/** Which tasks come next under a rate, and its bucket, which says when. Instants are ms since the epoch, times ms. */
export interface RateQueue {
  tat: number;
  interval: number;
  tolerance: number;
  /** Ids of the next, in their order. */
  next: string[];
}

/** Queued tasks looked at to find those that nothing but the rate holds back. */
const LOOKED_AT = 500;

const LINE = `
SELECT tat, interval, tolerance, (
  SELECT json_group_array(id) FROM (
    SELECT id FROM (
      SELECT id, lane, task, batch, circuit, concurrency FROM tasks INDEXED BY tasks_rated
      WHERE rates IS NOT NULL AND state = 'queued' AND rates->0->>'key' = ?1 ORDER BY id LIMIT ${LOOKED_AT}) AS tasks
    WHERE batch IS NULL AND ${laneIsOpen("?2")} AND NOT ${LACKS_SLOT} AND NOT (circuit IS NOT NULL AND EXISTS (
      SELECT 1 FROM circuits WHERE circuits.task = ${CIRCUIT_KEY} AND circuits.open_until IS NOT NULL))
    ORDER BY id LIMIT ?3)) AS next
FROM buckets WHERE key = ?1`;

/** The waiters that may start as soon as the rate lets them; null where the rate holds none back. */
export async function readRateQueue(
  db: D1Database,
  key: string,
  now: number,
  limit: number,
): Promise<RateQueue | null> {
  const row = await persist(() =>
    db.prepare(LINE).bind(key, now, limit).first<Omit<RateQueue, "next"> & { next: string }>(),
  );
  return row && { ...row, next: JSON.parse(row.next) as string[] };
}
