/** The clock's statements: what is due, and the set-based moves that follow. Each is guarded and safe to repeat. */

import { BELL_MS } from "../core/limits.ts";
import { ARROWS, sqlStates, type State } from "../core/states.ts";
import type { Sleeper } from "../core/wake.ts";
import { persist, rowsOf } from "./d1.ts";
import { dueWhenEnded } from "./ended.ts";
import { owedStatement, type OwedId } from "./owed.ts";
import { releaseStatements, type Released } from "./release.ts";

/** A row whose time has come. */
export interface DueTask extends Sleeper {
  id: string;
  lane: string;
  attempt: number;
  failures: number;
  crashes: number;
  maxAttempts: number;
  dueAt: number;
  mayRelease: number;
  undo: string | null;
  concurrency: string | null;
}

export interface Belled {
  id: string;
  lane: string;
}

const DUE = `
SELECT id, lane, state, attempt, failures, crashes, max_attempts AS maxAttempts, due_at AS dueAt,
  run_at AS runAt, created_at AS createdAt, started_at AS startedAt, expires_at AS expiresAt,
  lease_until AS leaseUntil, retain_until AS retainUntil, finished_at AS finishedAt,
  retention_ms AS retentionMs, object, node IS NOT NULL AS mayRelease, concurrency, undo
FROM tasks
WHERE due_at <= ?1 AND NOT (state = 'running' AND id IN (SELECT value FROM json_each(?3)))
ORDER BY due_at LIMIT ?2`;

/** Answers the rows that are due at `now`, longest due first, but for running ones among `except`. */
export function dueStatement(
  db: D1Database,
  now: number,
  limit: number,
  except: readonly string[],
): D1PreparedStatement {
  return db.prepare(DUE).bind(now, limit, JSON.stringify(except));
}

/** The rows that are due at `now`, longest due first, but for running ones among `except`. */
export async function readDue(
  db: D1Database,
  now: number,
  limit: number,
  except: readonly string[] = [],
): Promise<DueTask[]> {
  const { results } = await persist(() => dueStatement(db, now, limit, except).all<DueTask>());
  return results;
}

/** Answers `dueAt` of the first row that is due after `after`. */
export function nextDueStatement(db: D1Database, after: number): D1PreparedStatement {
  return db.prepare("SELECT due_at AS dueAt FROM tasks WHERE due_at > ?1 ORDER BY due_at LIMIT 1").bind(after);
}

/** When the next row after `after` is due, both in ms since the epoch; null when none ever is. */
export async function readNextDue(db: D1Database, after = 0): Promise<number | null> {
  return persist(() => nextDueStatement(db, after).first<number>("dueAt"));
}

/** Scheduled, retrying and sleeping tasks whose start has come are queued; their bells are the caller's to ring. */
export async function startTasks(db: D1Database, ids: string[], now: number): Promise<Belled[]> {
  const list = JSON.stringify(ids);
  const results = await persist(() =>
    db.batch([
      db
        .prepare(
          `UPDATE tasks SET state = 'queued', due_at = CASE
             WHEN started_at IS NULL AND expires_at < ?2 + ${BELL_MS} THEN expires_at ELSE ?2 + ${BELL_MS} END
           WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(ARROWS.start.from)} AND run_at <= ?2`,
        )
        .bind(list, now),
      // Asked apart from the move: a bell rung twice is harmless, one not rung after a lost answer would wait.
      db
        .prepare(`SELECT id, lane FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued'`)
        .bind(list),
    ]),
  );
  return rowsOf<Belled>(results, 1);
}

/** A task that has expired. */
export interface ExpiredTask {
  id: string;
  tenant: string;
  task: string;
  lane: string;
  state: State;
  object: number;
}

/** What an expiry has done: who has expired, who is released by it, and of whom webhooks must be told. */
export interface Expired {
  expired: ExpiredTask[];
  released: Released[];
  owed: OwedId[];
}

/** Tasks that never started and are past their expiry end. */
export async function expireTasks(db: D1Database, ids: string[], now: number): Promise<Expired> {
  const list = JSON.stringify(ids);
  const results = await persist(() =>
    db.batch([
      db
        .prepare(
          `UPDATE tasks SET state = 'expired', finished_at = ?2, retain_until = ?2 + retention_ms,
             due_at = ${dueWhenEnded("?2")}, waiting_for = NULL, error = json_object('type', 'expired', 'message',
               'not started by ' || strftime('%Y-%m-%dT%H:%M:%fZ', expires_at / 1000.0, 'unixepoch'))
           WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(ARROWS.expire.from)}
             AND started_at IS NULL AND expires_at <= ?2`,
        )
        .bind(list, now),
      db
        .prepare(
          `SELECT id, tenant, task, lane, state, object FROM tasks
           WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'expired' AND finished_at = ?2`,
        )
        .bind(list, now),
      ...releaseStatements(db, list, now),
      owedStatement(db, list, now),
    ]),
  );
  return {
    expired: rowsOf<ExpiredTask>(results, 1),
    released: rowsOf<Released>(results, results.length - 2),
    owed: rowsOf<OwedId>(results, results.length - 1),
  };
}

/** Sets timers anew, but only where nobody moved the row since it was looked at. */
export async function postponeTasks(
  db: D1Database,
  looks: { id: string; state: State; seen: number; dueAt: number | null }[],
): Promise<void> {
  if (looks.length === 0) return;
  await persist(() =>
    db
      .prepare(
        `UPDATE tasks SET due_at = v.due_at
         FROM (SELECT value->>'id' AS id, value->>'state' AS state, value->>'seen' AS seen, value->>'dueAt' AS due_at
           FROM json_each(?1)) AS v
         WHERE tasks.id = v.id AND tasks.state = v.state AND tasks.due_at = v.seen`,
      )
      .bind(JSON.stringify(looks.map(({ id, state, seen, dueAt }) => ({ id, state, seen, dueAt }))))
      .run(),
  );
}

/** Puts the queued ones of these tasks under the clock again, at once. */
export async function makeDue(db: D1Database, ids: string[], now: number): Promise<void> {
  await persist(() =>
    db
      .prepare(
        `UPDATE tasks SET due_at = ?2
         WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued' AND due_at > ?2`,
      )
      .bind(JSON.stringify(ids), now)
      .run(),
  );
}

/**
 * Where one process is the whole system, its start is the end of every attempt and every bell before
 * it: all of them are due at once, instead of when their leases run out.
 */
export async function recoverAll(db: D1Database, bootAt: number): Promise<void> {
  await persist(() =>
    db
      .prepare(
        `UPDATE tasks SET due_at = ?1, lease_until = CASE WHEN state = 'running' THEN ?1 ELSE lease_until END
         WHERE due_at IS NOT NULL AND (state = 'queued' AND created_at < ?1 OR state = 'running' AND started_at < ?1)`,
      )
      .bind(bootAt)
      .run(),
  );
}
