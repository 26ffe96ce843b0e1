/** Makes deliveries again, or sooner. */

import { BELL_MS } from "../../core/bounds.ts";
import { ARROWS, sqlStates } from "../../core/states.ts";
import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";
import type { Queued } from "../../core/states.ts";
import { IN_RUN, readRuns, RESET } from "../ended-runs.ts";

const ENDED = `${IN_RUN} AND state IN ${sqlStates(ARROWS.replay.from)}`;

const WAITS_FOR_NEXT_ATTEMPT = "state IN ('scheduled', 'retrying')";

// The next result takes the place of this one, so what the receiver answered moves into the history.
const AGAIN = `
UPDATE tasks SET state = 'queued', run_at = ?2, due_at = ?2 + ${BELL_MS}, ${RESET}, waiting_for = NULL,
  history = CASE WHEN state = 'succeeded' AND json_array_length(history) > 0
    THEN json_set(history, '$[#-1].status', result->>'status') ELSE history END
WHERE ${ENDED}`;

const SOONER = `
UPDATE tasks SET state = 'queued', run_at = ?2, due_at = ?2 + ${BELL_MS}
WHERE id IN (SELECT value FROM json_each(?1)) AND ${WAITS_FOR_NEXT_ATTEMPT}`;

/** How many of the runs ?1, which are those of the ids ?2, `AGAIN` and `SOONER` change. */
const CHANGED = `
SELECT (SELECT COUNT(*) FROM tasks WHERE ${ENDED})
  + (SELECT COUNT(*) FROM tasks WHERE id IN (SELECT value FROM json_each(?2)) AND ${WAITS_FOR_NEXT_ATTEMPT})`;

const MOVED = `
SELECT id, lane FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND run_at = ?2 AND state IN ('queued', 'running')`;

/**
 * Queues the delivery tasks of `ids` at once: those that ended in a new run, those that wait for
 * their next attempt in this one. Answers the tasks to send a message for. Safe to repeat.
 */
export async function replayTasks(
  db: D1Database,
  ids: string[],
  now: number,
  audit: Audit | null = null,
): Promise<Queued[]> {
  const list = JSON.stringify(ids);
  const runs = await readRuns(db, ids);
  const batch = new Batch(db);
  batch.add(
    ...auditStatements(db, audit, CHANGED, [runs, list]),
    db.prepare(AGAIN).bind(runs, now),
    db.prepare(SOONER).bind(list, now),
  );
  const moved = batch.rows<Queued>(db.prepare(MOVED).bind(list, now));
  await batch.run(persistOr503);
  return moved();
}
