/** Reads deliveries together with the tasks that make them; only ever those of one endpoint. */

import type { State } from "../../core/states.ts";
import { persistOr503 } from "../d1.ts";

/** A delivery as it stands. Instants are ms since the epoch. */
export interface DeliveryRow {
  id: string;
  type: string;
  taskId: string | null;
  url: string | null;
  createdAt: number;
  /** Of the task that makes it. */
  state: State;
  runAt: number;
  history: string | null;
  result: string | null;
}

const DELIVERY_TASK = "'task_' || substr(deliveries.id, 5)";

const SELECT = `
SELECT deliveries.id, deliveries.type, deliveries.task_id AS taskId, deliveries.url, deliveries.created_at AS createdAt,
  tasks.state, tasks.run_at AS runAt, tasks.history, tasks.result
FROM deliveries JOIN tasks ON tasks.id = ${DELIVERY_TASK}
WHERE deliveries.tenant = ?1 AND deliveries.webhook_id = ?2`;

export async function readDelivery(
  db: D1Database,
  tenant: string,
  webhookId: string,
  id: string,
): Promise<DeliveryRow | null> {
  return persistOr503(() =>
    db.prepare(`${SELECT} AND deliveries.id = ?3`).bind(tenant, webhookId, id).first<DeliveryRow>(),
  );
}

/** After every id of a delivery. */
const NEWEST = "msg_z";

/** A page, newest first, of the deliveries before `cursor` (an id). */
export async function listDeliveries(
  db: D1Database,
  tenant: string,
  webhookId: string,
  cursor: string | null,
  limit: number,
): Promise<DeliveryRow[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(`${SELECT} AND deliveries.id < ?3 ORDER BY deliveries.id DESC LIMIT ?4`)
      .bind(tenant, webhookId, cursor ?? NEWEST, limit)
      .all<DeliveryRow>(),
  );
  return results;
}

/** A delivery, with what it sends. */
export interface SentRow extends DeliveryRow {
  webhookId: string;
  /** JSON of its task's input; null where it is larger than {@link MAX_SHOWN}. */
  input: string | null;
}

/** Characters of a request that a list shows. */
const MAX_SHOWN = 32_768;

/** Those of these deliveries that exist and come before `cursor` (an id), newest first. Reads no other deliveries. */
export async function findDeliveries(
  db: D1Database,
  tenant: string,
  places: readonly { webhookId: string; id: string }[],
  cursor: string | null,
  limit: number,
): Promise<SentRow[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT deliveries.id, deliveries.webhook_id AS webhookId, deliveries.type, deliveries.task_id AS taskId, deliveries.url,
           deliveries.created_at AS createdAt, tasks.state, tasks.run_at AS runAt, tasks.history, tasks.result,
           CASE WHEN length(tasks.input) <= ${MAX_SHOWN} THEN tasks.input END AS input
         FROM (
           SELECT deliveries.webhook_id, deliveries.id FROM json_each(?2) AS place
           CROSS JOIN deliveries ON deliveries.tenant = ?1 AND deliveries.webhook_id = place.value->>'webhookId'
             AND deliveries.id = place.value->>'id'
           WHERE deliveries.id < ?3 ORDER BY deliveries.id DESC LIMIT ?4
         ) AS found
         CROSS JOIN deliveries ON deliveries.tenant = ?1 AND deliveries.webhook_id = found.webhook_id AND deliveries.id = found.id
         CROSS JOIN tasks ON tasks.id = ${DELIVERY_TASK}
         ORDER BY deliveries.id DESC`,
      )
      .bind(tenant, JSON.stringify(places), cursor ?? NEWEST, limit)
      .all<SentRow>(),
  );
  return results;
}

/** The ids of deliveries after `after` and before `before`, oldest first. */
export async function listDeliveryIds(
  db: D1Database,
  tenant: string,
  webhookId: string,
  after: string,
  before: string,
  limit: number,
): Promise<string[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT id FROM deliveries
         WHERE tenant = ?1 AND webhook_id = ?2 AND id > ?3 AND id < ?4 ORDER BY id LIMIT ?5`,
      )
      .bind(tenant, webhookId, after, before, limit)
      .all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}
