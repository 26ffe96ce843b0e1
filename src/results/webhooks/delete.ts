/** Removes an endpoint, and its deliveries piece by piece. */

import { LIVE_STATES, sqlStates } from "../../core/states.ts";
import { persistOr503 } from "../d1.ts";

/** The tasks of deliveries that are still to be made, at most `limit`. */
export async function readPending(db: D1Database, tenant: string, webhookId: string, limit: number): Promise<string[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT tasks.id FROM deliveries JOIN tasks ON tasks.id = 'task_' || substr(deliveries.id, 5)
         WHERE deliveries.tenant = ?1 AND deliveries.webhook_id = ?2 AND tasks.state IN ${sqlStates(LIVE_STATES)}
           AND tasks.cancel_requested_at IS NULL LIMIT ?3`,
      )
      .bind(tenant, webhookId, limit)
      .all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}

/** Removes up to `limit` entries of the endpoint's list; answers how many. */
export async function forgetDeliveries(
  db: D1Database,
  tenant: string,
  webhookId: string,
  limit: number,
): Promise<number> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `DELETE FROM deliveries WHERE tenant = ?1 AND webhook_id = ?2 AND id IN
           (SELECT id FROM deliveries WHERE tenant = ?1 AND webhook_id = ?2 LIMIT ?3) RETURNING id`,
      )
      .bind(tenant, webhookId, limit)
      .all(),
  );
  return results.length;
}

/** Removes the endpoint with what is left of its list, all at once. */
export async function deleteWebhook(db: D1Database, tenant: string, id: string): Promise<void> {
  await persistOr503(() =>
    db.batch([
      db.prepare("DELETE FROM deliveries WHERE tenant = ?1 AND webhook_id = ?2").bind(tenant, id),
      db.prepare("DELETE FROM webhooks WHERE tenant = ?1 AND id = ?2").bind(tenant, id),
    ]),
  );
}
