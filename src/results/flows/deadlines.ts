/** The deadlines of flows. A flow without one has no entry in their index, and costs nothing. */

import { LIVE_STATES, sqlStates } from "../../core/states.ts";
import { Batch, persist } from "../d1.ts";

/** The condition of the partial index, word for word. */
const WATCHED = "deadline IS NOT NULL AND state = 'running' AND failing = 0 AND overdue < 2";

/** Answers `deadline`, the next one of a flow. */
export const NEXT_DEADLINE = `SELECT deadline FROM flows WHERE ${WATCHED} ORDER BY deadline LIMIT 1`;

/** Flows whose deadline has passed, and of which a member may not have ended yet. */
export async function readOverdue(db: D1Database, now: number, limit: number): Promise<string[]> {
  const { results } = await persist(() =>
    db
      .prepare(`SELECT id FROM flows WHERE ${WATCHED} AND deadline <= ?1 ORDER BY deadline LIMIT ?2`)
      .bind(now, limit)
      .all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}

/** The next deadline of a flow, in ms since the epoch; null where there is none. */
export async function readNextDeadline(db: D1Database): Promise<number | null> {
  return persist(() => db.prepare(NEXT_DEADLINE).first<number>("deadline"));
}

const MISS = `UPDATE flows SET overdue = 1 WHERE id = ?1 AND ${WATCHED} AND overdue = 0 AND deadline <= ?2`;

const UNENDED = `
SELECT tasks.id FROM flows, json_each(flows.ids) AS member JOIN tasks ON tasks.id = member.value
WHERE flows.id = ?1 AND flows.overdue = 1 AND flows.state = 'running' AND flows.failing = 0
  AND tasks.state IN ${sqlStates(LIVE_STATES)}`;

/**
 * Notes that the flow has missed its deadline, however its members end from now on. Answers the ids of the
 * members that have not ended; none where the flow itself has.
 */
export async function markOverdue(db: D1Database, flowId: string, now: number): Promise<string[]> {
  const batch = new Batch(db);
  batch.add(db.prepare(MISS).bind(flowId, now));
  const members = batch.rows<{ id: string }>(db.prepare(UNENDED).bind(flowId));
  await batch.run(persist);
  return members().map((row) => row.id);
}

/** Notes that all members were cancelled or asked to stop: the clock need not look again. */
export async function noteStopped(db: D1Database, flowId: string): Promise<void> {
  await persist(() => db.prepare("UPDATE flows SET overdue = 2 WHERE id = ?1 AND overdue = 1").bind(flowId).run());
}
