/**
 * Counts what is on its way, through the index of the timers and that of those who wait without one: so what
 * has ended costs nothing. Those that are due first are counted first, and no more than a bound of them.
 */

import { LIVE_STATES, sqlStates, type State } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** Rows looked at for one answer. */
export const MAX_COUNTED = 10_000;

export interface LaneCount {
  lane: string;
  queued: number;
  running: number;
}

/** `capped`: there are more than were looked at, so each count is a lower bound. */
export interface Counted<T> {
  counts: T[];
  capped: boolean;
}

/** What is queued and what runs in each lane, of all tenants, among the rows that are due at `horizon` or before. */
export async function countLanes(db: D1Database, horizon: number, max = MAX_COUNTED): Promise<Counted<LaneCount>> {
  const groups = `
    SELECT COUNT(*) AS n,
      json_object('lane', lane, 'queued', SUM(state = 'queued'), 'running', SUM(state = 'running')) AS counted
    FROM looked GROUP BY lane`;
  return countLooked(db, dueFirst("due_at <= ?2"), groups, horizon, max);
}

export interface TaskCount {
  task: string;
  lane: string;
  state: State;
  count: number;
}

/** The tenant's tasks that have not ended, by task, lane and state. */
export async function countTasks(db: D1Database, tenant: string, max = MAX_COUNTED): Promise<Counted<TaskCount>> {
  const looked = `
    SELECT * FROM (${dueFirst("due_at IS NOT NULL")})
    UNION ALL
    SELECT tenant, task, lane, state FROM tasks INDEXED BY tasks_waiting
    WHERE state = 'waiting' AND due_at IS NULL AND tenant = ?2 LIMIT ?1 + 1`;
  const groups = `
    SELECT COUNT(*) AS n, CASE WHEN tenant = ?2 AND state IN ${sqlStates(LIVE_STATES)}
      THEN json_object('task', task, 'lane', lane, 'state', state, 'count', COUNT(*)) END AS counted
    FROM looked GROUP BY tenant = ?2, task, lane, state`;
  return countLooked(db, looked, groups, tenant, max);
}

function dueFirst(where: string): string {
  return `
    SELECT tenant, task, lane, state FROM tasks INDEXED BY tasks_due
    WHERE ${where} ORDER BY due_at LIMIT ?1 + 1`;
}

/** `looked`: SQL of the rows to count, at most one more than ?1 of them. */
async function countLooked<T>(
  db: D1Database,
  looked: string,
  groups: string,
  value: string | number,
  max: number,
): Promise<Counted<T>> {
  const row = await persistOr503(() =>
    db
      .prepare(
        `WITH looked AS (${looked})
         SELECT SUM(n) AS looked, json_group_array(json(counted)) FILTER (WHERE counted IS NOT NULL) AS counts
         FROM (${groups})`,
      )
      .bind(max, value)
      .first<{ looked: number | null; counts: string }>(),
  );
  return { counts: JSON.parse(row?.counts ?? "[]") as T[], capped: (row?.looked ?? 0) > max };
}
