/** Signals: kept until they are asked for; delivering one wakes a task that waits for it, in the same transaction. */

import { BELL_MS } from "../core/limits.ts";
import { LIVE_STATES, sqlStates } from "../core/states.ts";
import { persist, persistOr503, rowsOf } from "./d1.ts";
import type { Released } from "./release.ts";

export interface StoredSignal {
  seq: number;
  name: string;
  /** JSON text. */
  body: string;
}

/** Signals that one task may have been sent. */
export const MAX_SIGNALS = 1_000;

/** What became of a signal. */
export interface Delivered {
  /** Whether it was kept; not where the task has ended or has been sent too many. */
  kept: boolean;
  released: Released[];
}

/**
 * Keeps a signal for a task and wakes it if it waits for one of this name. `delivery` names it, so that
 * it is kept once. `seq` comes from
 * {@link countSignals}; a signal that another one overtook is not kept, and is to be sent with the next number.
 */
export async function addSignal(
  db: D1Database,
  taskId: string,
  seq: number,
  name: string,
  body: string,
  now: number,
  delivery: string,
): Promise<Delivered> {
  const results = await persistOr503(() =>
    db.batch([
      db
        .prepare(
          `INSERT INTO signals (task_id, seq, name, body, created_at, delivery)
           SELECT id, ?2, ?3, ?4, ?5, ?6 FROM tasks
           WHERE id = ?1 AND state IN ${sqlStates(LIVE_STATES)} AND signals = ?2 - 1 AND signals < ${MAX_SIGNALS}
           ON CONFLICT DO NOTHING`,
        )
        .bind(taskId, seq, name, body, now, delivery),
      db
        .prepare(
          `UPDATE tasks SET signals = ?2 WHERE id = ?1 AND signals = ?2 - 1
             AND EXISTS (SELECT 1 FROM signals WHERE task_id = ?1 AND seq = ?2)`,
        )
        .bind(taskId, seq),
      db
        .prepare(
          `UPDATE tasks SET state = 'queued', run_at = ?3, due_at = ?3 + ${BELL_MS}, waiting_for = NULL
           WHERE id = ?1 AND state = 'waiting' AND EXISTS (
             SELECT 1 FROM json_each(tasks.waiting_for, '$.signals') AS wanted WHERE wanted.value = ?2)`,
        )
        .bind(taskId, name, now),
      db
        .prepare("SELECT 1 AS kept FROM signals WHERE task_id = ?1 AND seq = ?2 AND delivery = ?3")
        .bind(taskId, seq, delivery),
      db.prepare("SELECT id, lane, state, due_at AS dueAt FROM tasks WHERE id = ?1 AND state = 'queued'").bind(taskId),
    ]),
  );
  return { kept: rowsOf(results, 3).length > 0, released: rowsOf<Released>(results, 4) };
}

/** Whether a link that is good for one signal has sent it. */
export async function isLinkUsed(db: D1Database, linkId: string): Promise<boolean> {
  const used = await persistOr503(() =>
    db.prepare("SELECT 1 AS used FROM signals WHERE delivery = ?1").bind(linkId).first("used"),
  );
  return used !== null;
}

/** How many signals the task was ever sent. */
export async function countSignals(db: D1Database, taskId: string): Promise<number> {
  const count = await persistOr503(() =>
    db.prepare("SELECT signals FROM tasks WHERE id = ?1").bind(taskId).first<number>("signals"),
  );
  return count ?? 0;
}

/** The task's signals of these names, oldest first. */
export async function readSignals(db: D1Database, taskId: string, names: string[]): Promise<StoredSignal[]> {
  const { results } = await persist(() =>
    db
      .prepare(
        `SELECT seq, name, body FROM signals
         WHERE task_id = ?1 AND name IN (SELECT value FROM json_each(?2)) ORDER BY seq`,
      )
      .bind(taskId, JSON.stringify(names))
      .all<StoredSignal>(),
  );
  return results;
}
