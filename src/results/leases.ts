/** Renews the leases of running attempts, and reads which of them must stop, in one statement. */

export interface Held {
  id: string;
  attempt: number;
}

/** An attempt whose lease is renewed until `until`, in ms since the epoch. */
export interface Renewal extends Held {
  until: number;
}

/** Why an attempt must stop: its task was asked to, or the attempt is no longer the running one. */
export interface StopOrder extends Held {
  reason: "cancelled" | "lost";
  /** The row's `object` bits: whether there are listeners. */
  object: number;
}

/** How an attempt's row stands: an attempt that has none is lost. */
interface Standing extends Held {
  isCancelled: number;
  object: number;
}

// A task whose steps are being undone is not cancelled: the undoing is how a cancel ends.
const STANDING = `tasks.id, tasks.attempt, tasks.object,
  tasks.cancel_requested_at IS NOT NULL AND tasks.undo IS NULL AS isCancelled`;

// The timer moves with the lease, in the same write: the clock need not look at the row only to find it alive.
const RENEW = `
UPDATE tasks SET lease_until = v.until, due_at = v.until
FROM (SELECT value->>'id' AS id, value->>'attempt' AS attempt, value->>'until' AS until FROM json_each(?1)) AS v
WHERE tasks.id = v.id AND tasks.attempt = v.attempt AND tasks.state = 'running'
RETURNING ${STANDING}`;

const ASK = `
SELECT ${STANDING}
FROM (SELECT value->>'id' AS id, value->>'attempt' AS attempt FROM json_each(?1)) AS v
  JOIN tasks ON tasks.id = v.id AND tasks.attempt = v.attempt AND tasks.state = 'running'`;

/** Renews these leases; answers which of the attempts must stop. Tried once: the caller's next heartbeat is the next try. */
export async function renewLeases(db: D1Database, renewals: Renewal[]): Promise<StopOrder[]> {
  return ordersTo(renewals, await db.prepare(RENEW).bind(JSON.stringify(renewals)).all<Standing>());
}

/** Answers which of these attempts must stop; only reads. Tried once, like a renewal. */
export async function readStopOrders(db: D1Database, attempts: Held[]): Promise<StopOrder[]> {
  return ordersTo(attempts, await db.prepare(ASK).bind(JSON.stringify(attempts)).all<Standing>());
}

function ordersTo(attempts: readonly Held[], result: D1Result<Standing>): StopOrder[] {
  const standing = new Map(result.results.map((row) => [`${row.id}/${row.attempt}`, row]));
  return attempts.flatMap(({ id, attempt }): StopOrder[] => {
    const row = standing.get(`${id}/${attempt}`);
    if (row === undefined) return [{ id, attempt, reason: "lost", object: 0 }];
    return row.isCancelled === 1 ? [{ id, attempt, reason: "cancelled", object: row.object }] : [];
  });
}
