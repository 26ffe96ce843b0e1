/** Finds the rows that are due, and when the next one is. */

import type { Sleeper } from "../core/wake.ts";
import { persist } from "./d1.ts";

/** A row whose time has come. */
export interface DueTask extends Sleeper {
  id: string;
  lane: string;
  attempt: number;
  failures: number;
  crashes: number;
  maxAttempts: number;
  dueAt: number;
  flowId: string | null;
  mayRelease: number;
  undo: string | null;
  task: string;
  tags: string | null;
  concurrency: string | null;
}

const DUE = `
SELECT id, lane, state, attempt, failures, crashes, max_attempts AS maxAttempts, due_at AS dueAt,
  run_at AS runAt, created_at AS createdAt, started_at AS startedAt, expires_at AS expiresAt,
  lease_until AS leaseUntil, retain_until AS retainUntil, finished_at AS finishedAt,
  retention_ms AS retentionMs, object, flow_id AS flowId, node IS NOT NULL AS mayRelease, concurrency, undo, paused_at AS pausedAt,
  task, tags
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

/** Makes those of these tasks that are queued due now. */
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
