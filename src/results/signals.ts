/** Signals: kept until they are asked for; delivering one wakes a task that waits for it, in the same transaction. */

import { LIVE_STATES, sqlStates } from "../core/states.ts";
import { auditStatements, type Audit } from "./audit.ts";
import { Batch, persist, persistOr503 } from "./d1.ts";
import type { Released } from "./flows/release.ts";
import { WAKE_BY_SIGNAL } from "./suspend-tasks.ts";

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
  /** Whether this call kept it: false where the task has ended or was sent too many, or the delivery was kept before. */
  kept: boolean;
  released: Released[];
}

/**
 * Keeps a signal for a task, after earlier ones, and wakes the task if it waits for one of this name.
 * `delivery` identifies the signal, so that it is kept once.
 */
export async function addSignal(
  db: D1Database,
  taskId: string,
  name: string,
  body: string,
  now: number,
  delivery: string,
  audit: Audit | null = null,
): Promise<Delivered> {
  const batch = new Batch(db);
  batch.add(
    ...auditStatements(
      db,
      audit,
      `SELECT COUNT(*) FROM tasks WHERE id = ?1 AND state IN ${sqlStates(LIVE_STATES)} AND signals < ${MAX_SIGNALS}
       AND NOT EXISTS (SELECT 1 FROM signals WHERE delivery = ?2)`,
      [taskId, delivery],
    ),
  );
  const inserted = batch.changes(
    db
      .prepare(
        `INSERT INTO signals (task_id, seq, name, body, created_at, delivery)
           SELECT id, signals + 1, ?2, ?3, ?4, ?5 FROM tasks
           WHERE id = ?1 AND state IN ${sqlStates(LIVE_STATES)} AND signals < ${MAX_SIGNALS}
           ON CONFLICT DO NOTHING`,
      )
      .bind(taskId, name, body, now, delivery),
  );
  batch.add(
    db
      .prepare(
        `UPDATE tasks SET signals = own.seq FROM (SELECT task_id, seq FROM signals WHERE delivery = ?2) AS own
           WHERE tasks.id = ?1 AND own.task_id = ?1 AND tasks.signals < own.seq`,
      )
      .bind(taskId, delivery),
    db.prepare(WAKE_BY_SIGNAL).bind(taskId, name, now, delivery),
  );
  const same = batch.first(
    db
      .prepare("SELECT 1 AS same FROM signals WHERE delivery = ?2 AND task_id = ?1 AND created_at = ?3 AND body = ?4")
      .bind(taskId, delivery, now, body),
  );
  const woken = batch.rows<Released>(
    db.prepare("SELECT id, lane, state, due_at AS dueAt FROM tasks WHERE id = ?1 AND state = 'queued'").bind(taskId),
  );
  let asked = 0;
  await batch.run((call) =>
    persistOr503(() => {
      asked++;
      return call();
    }),
  );
  // A call that is repeated, because its answer was lost, may find the signal that it has kept itself.
  return { kept: inserted() > 0 || (asked > 1 && same() !== null), released: woken() };
}

/** Whether a link that is good for one signal has sent it. */
export async function isLinkUsed(db: D1Database, linkId: string): Promise<boolean> {
  const used = await persistOr503(() =>
    db.prepare("SELECT 1 AS used FROM signals WHERE delivery = ?1").bind(linkId).first("used"),
  );
  return used !== null;
}

/** The task's oldest signal of this name that is none of `taken`; null where there is none. */
export async function readSignal(
  db: D1Database,
  taskId: string,
  name: string,
  taken: number[],
): Promise<StoredSignal | null> {
  return persist(() =>
    db
      .prepare(
        `SELECT seq, name, body FROM signals
         WHERE task_id = ?1 AND name = ?2 AND seq NOT IN (SELECT value FROM json_each(?3)) ORDER BY seq LIMIT 1`,
      )
      .bind(taskId, name, JSON.stringify(taken))
      .first<StoredSignal>(),
  );
}
