/** Lists the tasks that wait for a signal. */

import { persistOr503 } from "./d1.ts";

/** A wait as it lies in D1. Instants are ms since the epoch. */
export interface WaitRow {
  taskId: string;
  task: string;
  name: string;
  /** Its place among the signals that the task waits for. */
  place: number;
  /** JSON of an `AskedSignal`; null where release 0.2.0 or an older one wrote the row. */
  asked: string | null;
  /** Of the task's waits together. */
  until: number | null;
  suspendedAt: number;
}

/** Where a page begins: behind this wait of this task. */
export interface WaitPlace {
  taskId: string;
  place: number;
}

const LIST = `
SELECT tasks.id AS taskId, tasks.task, wanted.value AS name, wanted.key AS place,
  json_extract(tasks.waiting_for, '$.asked[' || wanted.key || ']') AS asked, tasks.waiting_for->>'until' AS until,
  COALESCE(tasks.history->'$[#-1]'->>'finishedAt', tasks.created_at) AS suspendedAt
FROM tasks INDEXED BY tasks_signals, json_each(tasks.waiting_for, '$.signals') AS wanted
WHERE tasks.tenant = ?1 AND tasks.state = 'waiting' AND tasks.waiting_for ->> '$.signals[0]' IS NOT NULL
  AND tasks.id <= ?2 AND NOT (tasks.id = ?2 AND wanted.key <= ?3)
ORDER BY tasks.id DESC, wanted.key LIMIT ?4`;

/** After every id of a task. */
const FIRST: WaitPlace = { taskId: "task_z", place: -1 };

/** The waits of a tenant's tasks, the newest tasks first; one more than `limit` where there are more. Reads no other tasks. */
export async function listWaits(
  db: D1Database,
  tenant: string,
  after: WaitPlace | null,
  limit: number,
): Promise<WaitRow[]> {
  const { taskId, place } = after ?? FIRST;
  const { results } = await persistOr503(() =>
    db
      .prepare(LIST)
      .bind(tenant, taskId, place, limit + 1)
      .all<WaitRow>(),
  );
  return results;
}
