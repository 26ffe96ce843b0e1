/**
 * The outbox: ends that webhooks must be told of. A trigger fills it in the very transaction that
 * ends a task, whatever statement that is; a row leaves it in the transaction that stores its deliveries.
 */

import { DEFAULT_WEBHOOK } from "../../core/webhook.ts";
import type { TerminalState } from "../../core/states.ts";
import { Batch, persist } from "../d1.ts";
import { WEBHOOK_COLUMNS, type WebhookRow } from "./row.ts";

/** An end as it was, whatever has become of the task since. Instants are ms since the epoch. */
export interface Owed {
  taskId: string;
  run: number;
  tenant: string;
  state: TerminalState;
  attempt: number;
  finishedAt: number;
  /** JSON text. */
  error: string | null;
  /** Whether the task has a payload outside of its row; null where the task is gone. */
  overflow: number | null;
}

export interface OwedId {
  id: string;
}

const BY_ID = "SELECT task_id AS id FROM outbox WHERE task_id IN (SELECT value FROM json_each(?1))";

/**
 * To be appended to a batch that may end the tasks of `ids` (a JSON array), and at `now` others in
 * consequence. Answers {@link OwedId}; costs next to nothing while no webhook listens.
 */
export function owedStatement(db: D1Database, ids: string, now: number): D1PreparedStatement {
  return db.prepare(`${BY_ID} UNION SELECT task_id FROM outbox WHERE finished_at = ?2`).bind(ids, now);
}

/** Answers a row where anything is owed at all. */
export const OWES = "SELECT 1 AS owes FROM outbox LIMIT 1";

/** What is owed for these tasks, or for any (null), oldest first; and the endpoints that listen, of the tenants concerned. */
export async function readOwed(
  db: D1Database,
  ids: string[] | null,
  limit: number,
): Promise<{ owed: Owed[]; webhooks: WebhookRow[] }> {
  const which = ids === null ? "?1 IS NULL" : "outbox.task_id IN (SELECT value FROM json_each(?1))";
  const list = ids === null ? null : JSON.stringify(ids);
  const batch = new Batch(db);
  const owed = batch.rows<Owed>(
    db
      .prepare(
        `SELECT outbox.task_id AS taskId, outbox.run, outbox.tenant, outbox.state, outbox.attempt,
             outbox.finished_at AS finishedAt, outbox.error, tasks.overflow
           FROM outbox LEFT JOIN tasks ON tasks.id = outbox.task_id
           WHERE ${which} ORDER BY outbox.task_id, outbox.run LIMIT ?2`,
      )
      .bind(list, limit),
  );
  const webhooks = batch.rows<WebhookRow>(
    db
      .prepare(
        `SELECT ${WEBHOOK_COLUMNS} FROM webhooks
           WHERE tenant IN (SELECT tenant FROM outbox WHERE ${which}) AND paused = 0 AND id <> '${DEFAULT_WEBHOOK}'`,
      )
      .bind(list),
  );
  await batch.run(persist);
  return { owed: owed(), webhooks: webhooks() };
}
