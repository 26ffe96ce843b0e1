/** The clock's statements: what is due, and the set-based moves that follow. Each is guarded and safe to repeat. */

import { BELL_MS } from "../core/bounds.ts";
import { ARROWS, sqlStates, type State } from "../core/states.ts";
import type { Sleeper } from "../core/wake.ts";
import type { Change, Changes } from "./changes.ts";
import { Batch, persist } from "./d1.ts";
import { addExpiry } from "./expire-tasks.ts";

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
  concurrency: string | null;
}

const DUE = `
SELECT id, lane, state, attempt, failures, crashes, max_attempts AS maxAttempts, due_at AS dueAt,
  run_at AS runAt, created_at AS createdAt, started_at AS startedAt, expires_at AS expiresAt,
  lease_until AS leaseUntil, retain_until AS retainUntil, finished_at AS finishedAt,
  retention_ms AS retentionMs, object, flow_id AS flowId, node IS NOT NULL AS mayRelease, concurrency, undo
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

/** A timer that is set anew, unless the row was moved since it was read. */
export interface Postponed {
  id: string;
  state: State;
  /** `due_at` as it was. */
  seen: number;
  dueAt: number | null;
}

/** What is to be done with rows that are due. */
export interface Moves {
  postpone?: Postponed[];
  /** Scheduled, retrying and sleeping tasks whose start has come are queued; the caller sends messages for them. */
  start?: string[];
  /** Tasks that never started and are past their expiry end. */
  expire?: string[];
}

/** What the moves have done. */
export interface Moved extends Changes {
  /** When the next row is due after the moves. */
  nextDue: number | null;
}

/** Moves what is due at `now`, all of it or nothing, in one round trip. */
export async function moveDue(
  db: D1Database,
  { postpone = [], start = [], expire = [] }: Moves,
  now: number,
): Promise<Moved> {
  const batch = new Batch(db);
  if (postpone.length > 0) batch.add(db.prepare(POSTPONE).bind(JSON.stringify(postpone)));
  const queued = start.length > 0 ? addStart(batch, db, start, now) : () => [];
  const expired = expire.length > 0 ? addExpiry(batch, db, expire, now) : (): Changes => ({});
  const next = batch.first<{ dueAt: number }>(nextDueStatement(db, now));
  await batch.run(persist);
  const { moved = [], ...others } = expired();
  return { ...others, moved: [...queued(), ...moved], nextDue: next()?.dueAt ?? null };
}

const POSTPONE = `
UPDATE tasks SET due_at = v.due_at
FROM (SELECT value->>'id' AS id, value->>'state' AS state, value->>'seen' AS seen, value->>'dueAt' AS due_at
  FROM json_each(?1)) AS v
WHERE tasks.id = v.id AND tasks.state = v.state AND tasks.due_at = v.seen`;

const START = `
UPDATE tasks SET state = 'queued', due_at = CASE
  WHEN started_at IS NULL AND expires_at < ?2 + ${BELL_MS} THEN expires_at ELSE ?2 + ${BELL_MS} END
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(ARROWS.start.from)} AND run_at <= ?2`;

function addStart(batch: Batch, db: D1Database, ids: string[], now: number): () => Change[] {
  const list = JSON.stringify(ids);
  batch.add(db.prepare(START).bind(list, now));
  // Read apart from the move: a message sent twice is harmless, but a task without one, after a lost answer, would wait.
  return batch.rows<Change>(db.prepare(QUEUED).bind(list));
}

const QUEUED = "SELECT id, lane, state FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued'";

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

/**
 * Where one process is the whole system, no attempt and no bell from before its start is left: their
 * tasks become due at once, instead of when their leases run out.
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
