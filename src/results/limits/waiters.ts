/** The waiters of limits and lanes, and a task's position among them. However many waiters there are, a bounded number is read. */

import { HELD_LOOK_MS } from "../../core/bounds.ts";
import { persistOr503 } from "../d1.ts";

/** Rows looked at to find a task's position. */
export const MAX_LOOKED = 1_000;

/** A task's position among the waiters. */
export interface Place {
  /** 1: it is the next. */
  position: number;
  /** True: there are more waiters than were looked at, so its position is this one or a later one. */
  capped: boolean;
}

/** How a concurrency key stands, for a task that waits under it. */
export interface KeyWaiters extends Place {
  key: string;
  limit: number;
  /** Slots that are taken. */
  used: number;
  /** Of the tasks that have them, up to a bound: ids of the tenant's own, and when each of any tenant started, in ms since the epoch. */
  heldBy: string[];
  startedAts: number[];
}

const KEY_WAITERS = `
SELECT wanted.value AS key, COALESCE((SELECT max FROM limits WHERE key = wanted.value), 0) AS "limit",
  (SELECT COUNT(*) FROM places WHERE key = wanted.value AND running = 1) AS used,
  (SELECT json_group_array(json_array(CASE tasks.tenant WHEN ?3 THEN tasks.id END, tasks.started_at))
    FROM (SELECT task_id FROM places WHERE key = wanted.value AND running = 1 ORDER BY task_id LIMIT ${MAX_LOOKED}) AS held
    JOIN tasks ON tasks.id = held.task_id) AS holders,
  (SELECT json_array(COUNT(*), SUM(tasks.state = 'queued')) FROM (
      SELECT task_id FROM places WHERE key = wanted.value AND running = 0 AND task_id < ?2 LIMIT ${MAX_LOOKED + 1}) AS before
    JOIN tasks ON tasks.id = before.task_id) AS ahead
FROM json_each(?1) AS wanted`;

/** The waiters of a task's keys. Tenants may share a key, so only the tenant's own ids are named. */
export async function readKeyWaiters(
  db: D1Database,
  { id, tenant }: { id: string; tenant: string },
  keys: string[],
): Promise<KeyWaiters[]> {
  if (keys.length === 0) return [];
  const { results } = await persistOr503(() =>
    db
      .prepare(KEY_WAITERS)
      .bind(JSON.stringify(keys), id, tenant)
      .all<{ key: string; limit: number; used: number; holders: string; ahead: string }>(),
  );
  return results.map(({ key, limit, used, holders, ahead }) => {
    const held = JSON.parse(holders) as [string | null, number][];
    const [looked, waiting] = JSON.parse(ahead) as [number, number | null];
    return {
      key,
      limit,
      used,
      heldBy: held.flatMap(([holder]) => holder ?? []),
      startedAts: held.map(([, startedAt]) => startedAt),
      position: (waiting ?? 0) + 1,
      capped: looked > MAX_LOOKED,
    };
  });
}

/** A task that waits in its lane. Instants are ms since the epoch. */
export interface Standing {
  id: string;
  lane: string;
  runAt: number;
  dueAt: number | null;
}

// Every task that waits in its lane has a timer, sooner than that of a task scheduled for later.
const IN_LANE = `
SELECT COUNT(*) AS looked, SUM(state = 'queued' AND lane = ?2 AND (run_at, id) < (?3, ?4)) AS ahead
FROM (SELECT id, lane, state, run_at FROM tasks INDEXED BY tasks_due
  WHERE due_at <= ?1 ORDER BY due_at LIMIT ${MAX_LOOKED + 1})`;

const UNDER_RATE = `
SELECT COUNT(*) AS looked, COUNT(*) AS ahead
FROM (SELECT 1 FROM tasks INDEXED BY tasks_rated
  WHERE rates IS NOT NULL AND state = 'queued' AND rates->0->>'key' = ?1 AND id < ?2 LIMIT ${MAX_LOOKED + 1})`;

/** Its place among those queued in its lane, in the order in which they could have started. */
export async function readPlaceInLane(db: D1Database, task: Standing, now: number): Promise<Place> {
  const horizon = Math.max(task.dueAt ?? 0, now + HELD_LOOK_MS);
  return readPlace(db, IN_LANE, [horizon, task.lane, task.runAt, task.id]);
}

/** Its place among those queued under its rate, in the order in which they get their turns. */
export async function readPlaceUnderRate(db: D1Database, id: string, key: string): Promise<Place> {
  return readPlace(db, UNDER_RATE, [key, id]);
}

async function readPlace(db: D1Database, sql: string, values: (string | number)[]): Promise<Place> {
  const row = await persistOr503(() =>
    db
      .prepare(sql)
      .bind(...values)
      .first<{ looked: number; ahead: number | null }>(),
  );
  return { position: (row?.ahead ?? 0) + 1, capped: (row?.looked ?? 0) > MAX_LOOKED };
}
