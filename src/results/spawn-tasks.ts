/** Stores the children of a running attempt, and notes them in its row so that a cancel finds them. */

import { Batch, persist } from "./d1.ts";
import { insertStatements } from "./submit-tasks.ts";
import type { NewTask } from "./new-task.ts";
import type { Held } from "./leases.ts";

/**
 * Stores the children, unless the parent was asked to stop or is in another attempt. Safe to repeat
 * with the same ids. Answers whether the parent still runs.
 */
export async function spawnTasks(db: D1Database, parent: Held, children: NewTask[]): Promise<boolean> {
  const runs = `EXISTS (SELECT 1 FROM tasks WHERE id = ?2 AND attempt = ?3 AND state = 'running'
    AND cancel_requested_at IS NULL)`;
  const { statements } = insertStatements(db, children, undefined, [], {
    guard: runs,
    values: [parent.id, parent.attempt],
  });
  const ids = JSON.stringify(children.map((child) => child.id));
  const batch = new Batch(db);
  batch.add(
    ...statements,
    db
      .prepare(
        `UPDATE tasks SET children = (
             SELECT json_group_array(id) FROM (
               SELECT value AS id FROM json_each(tasks.children) UNION SELECT value FROM json_each(?3)))
           WHERE id = ?1 AND attempt = ?2 AND state = 'running'
             AND (SELECT COUNT(*) FROM json_each(tasks.children) WHERE value IN (SELECT value FROM json_each(?3)))
               < json_array_length(?3)`,
      )
      .bind(parent.id, parent.attempt, ids),
  );
  const running = batch.first(
    db
      .prepare(
        `SELECT 1 AS runs FROM tasks WHERE id = ?1 AND attempt = ?2 AND state = 'running' AND cancel_requested_at IS NULL`,
      )
      .bind(parent.id, parent.attempt),
  );
  await batch.run(persist);
  return running() !== null;
}
