/** Stores the children of a running attempt, and notes them in its row so that a cancel finds them. */

import { Batch, persist } from "./d1.ts";
import { addInsert } from "./submit-tasks.ts";
import { named } from "./named.ts";
import type { NewTask } from "./new-task.ts";
import type { Held } from "./leases.ts";

const RUNS = `
SELECT 1 AS runs FROM tasks WHERE id = :parent AND attempt = :attempt AND state = 'running' AND cancel_requested_at IS NULL`;

const NOTE_CHILDREN = `
UPDATE tasks SET children = (
  SELECT json_group_array(id) FROM (
    SELECT value AS id FROM json_each(tasks.children) UNION SELECT value FROM json_each(:ids)))
WHERE id = :parent AND attempt = :attempt AND state = 'running'
  AND (SELECT COUNT(*) FROM json_each(tasks.children) WHERE value IN (SELECT value FROM json_each(:ids)))
    < json_array_length(:ids)`;

/**
 * Stores the children, unless the parent was asked to stop or is in another attempt. Safe to repeat
 * with the same ids. Answers whether the parent still runs.
 */
export async function spawnTasks(db: D1Database, parent: Held, children: NewTask[]): Promise<boolean> {
  const ids = JSON.stringify(children.map((child) => child.id));
  const values = { parent: parent.id, attempt: parent.attempt, ids };
  const batch = new Batch(db);
  addInsert(batch, db, children, { guard: `EXISTS (${RUNS})`, values });
  batch.add(named(db, NOTE_CHILDREN, values));
  const running = batch.first(named(db, RUNS, values));
  await batch.run(persist);
  return running() !== null;
}
