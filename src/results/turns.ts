/** Turns of those whom a rate holds back: each is looked at when its token comes, in the order of the line. */

/** Whatever holds a task back, it is looked at when it expires. */
export function orExpiry(at: string): string {
  return `CASE WHEN tasks.started_at IS NULL AND tasks.expires_at < ${at} THEN tasks.expires_at ELSE ${at} END`;
}

// Who lacks a place, too, is rung for by whoever frees it.
const turnOf = (who: string) => `
SELECT id, MAX(at) AS at FROM (
  SELECT tasks.id, CAST(CEIL(MAX(buckets.tat, ?2) - buckets.tolerance
    + buckets.interval * (ROW_NUMBER() OVER (PARTITION BY buckets.key ORDER BY tasks.id) - 1)) AS INTEGER) AS at
  FROM tasks, json_each(tasks.rates) AS own JOIN buckets ON buckets.key = own.value->>'key'
  WHERE ${who} AND tasks.state = 'queued' AND NOT EXISTS (
    SELECT 1 FROM json_each(tasks.concurrency) AS place JOIN limits ON limits.key = place.value->>'key'
    WHERE limits.max <= (SELECT COUNT(*) FROM places WHERE places.key = limits.key AND running = 1))) GROUP BY id`;

/** Gives a turn to those of the ids ?1 that are over their rate at ?2. */
export const TURN = `
UPDATE tasks SET due_at = ${orExpiry("turn.at")}
FROM (${turnOf("tasks.id IN (SELECT value FROM json_each(?1))")}) AS turn
WHERE tasks.id = turn.id AND tasks.state = 'queued' AND turn.at > ?2`;

const RATED = "tasks.rates IS NOT NULL AND tasks.rates->0->>'key' IN (SELECT value FROM json_each(?1))";

const RETIME = `
UPDATE tasks SET due_at = ${orExpiry("turn.at")}
FROM (SELECT id, MAX(at, ?2) AS at FROM (${turnOf(RATED)})) AS turn
WHERE tasks.id = turn.id AND tasks.state = 'queued' AND tasks.due_at <> ${orExpiry("turn.at")}`;

/** Gives new turns to all who wait under these rates, whose buckets have changed in the same transaction. */
export function retimeStatement(db: D1Database, keys: string[], now: number): D1PreparedStatement {
  return db.prepare(RETIME).bind(JSON.stringify(keys), now);
}
