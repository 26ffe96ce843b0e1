/** Keeps running attempts alive, and hears what is wanted of them. */

import { LEASE_MS } from "../core/limits.ts";
import { persist, rowsOf } from "./d1.ts";

export interface Held {
  id: string;
  attempt: number;
}

/** Why an attempt must stop: its task was asked to, or the attempt is no longer the running one. */
export interface StopOrder extends Held {
  reason: "cancelled" | "lost";
  cancelReason: string | null;
  /** The row's `object` bits: whether anybody listens. */
  object: number;
}

const MINE = `(SELECT value->>'id' AS id, value->>'attempt' AS attempt FROM json_each(?1)) AS v`;

const RENEW = `
UPDATE tasks SET lease_until = ?2 + COALESCE(lease_ms, ${LEASE_MS})
FROM ${MINE} WHERE tasks.id = v.id AND tasks.attempt = v.attempt AND tasks.state = 'running'`;

const ORDERS = `
SELECT v.id, v.attempt, tasks.cancel_reason AS cancelReason, COALESCE(tasks.object, 0) AS object,
  CASE WHEN tasks.state = 'running' AND tasks.attempt = v.attempt THEN 'cancelled' ELSE 'lost' END AS reason
FROM ${MINE} LEFT JOIN tasks ON tasks.id = v.id
WHERE tasks.id IS NULL OR tasks.state <> 'running' OR tasks.attempt <> v.attempt
  OR tasks.cancel_requested_at IS NOT NULL AND tasks.undo IS NULL`;

/** Renews the leases of these attempts in one statement. */
export async function renewLeases(db: D1Database, attempts: Held[], now: number): Promise<StopOrder[]> {
  const list = JSON.stringify(attempts);
  const results = await persist(() => db.batch([db.prepare(RENEW).bind(list, now), db.prepare(ORDERS).bind(list)]));
  return rowsOf<StopOrder>(results, 1);
}

/** Asks which of these attempts must stop; only reads. */
export async function readStopOrders(db: D1Database, attempts: Held[]): Promise<StopOrder[]> {
  const list = JSON.stringify(attempts);
  const { results } = await persist(() => db.prepare(ORDERS).bind(list).all<StopOrder>());
  return results;
}
