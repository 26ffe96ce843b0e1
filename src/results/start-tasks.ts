/** Queues tasks whose start has come, and sets the timers of rows that the clock has looked at. */

import { BELL_MS } from "../core/bounds.ts";
import { ARROWS, sqlStates, type State } from "../core/states.ts";
import type { Change, Changes } from "./changes.ts";
import { Batch, persist } from "./d1.ts";
import { nextDueStatement } from "./due-tasks.ts";

/** A timer that is set anew, unless the row was moved since it was read. */
export interface Postponed {
  id: string;
  state: State;
  /** `due_at` as it was. */
  seen: number;
  dueAt: number | null;
}

/** What the clock has moved. */
export interface Moved extends Changes {
  /** When the next row is due after the moves, in ms since the epoch; null: none is. */
  nextDue: number | null;
}

const POSTPONE = `
UPDATE tasks SET due_at = v.due_at
FROM (SELECT value->>'id' AS id, value->>'state' AS state, value->>'seen' AS seen, value->>'dueAt' AS due_at
  FROM json_each(?1)) AS v
WHERE tasks.id = v.id AND tasks.state = v.state AND tasks.due_at = v.seen`;

const START = `
UPDATE tasks SET state = 'queued', due_at = CASE
  WHEN started_at IS NULL AND expires_at < ?2 + ${BELL_MS} THEN expires_at ELSE ?2 + ${BELL_MS} END
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(ARROWS.start.from)} AND run_at <= ?2
  AND (paused_at IS NULL OR started_at IS NOT NULL)`;

// Read apart from the move: a message sent twice is harmless, but a task without one, after a lost answer, would wait.
const STARTED = "SELECT id, lane, state FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued'";

/**
 * Queues those of `ids` whose start has come at `now`: scheduled, retrying and sleeping tasks. Sets the timers of `postponed`
 * in the same transaction. Safe to repeat.
 */
export async function startTasks(
  db: D1Database,
  ids: string[],
  now: number,
  postponed: Postponed[] = [],
): Promise<Moved> {
  const list = JSON.stringify(ids);
  const batch = new Batch(db);
  if (postponed.length > 0) batch.add(db.prepare(POSTPONE).bind(JSON.stringify(postponed)));
  if (ids.length > 0) batch.add(db.prepare(START).bind(list, now));
  const started = ids.length > 0 ? batch.rows<Change>(db.prepare(STARTED).bind(list)) : () => [];
  const next = batch.first<{ dueAt: number }>(nextDueStatement(db, now));
  await batch.run(persist);
  return { moved: started(), nextDue: next()?.dueAt ?? null };
}
