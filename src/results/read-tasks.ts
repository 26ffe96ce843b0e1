/** Reads tasks by their ids. */

import { Batch, persistOr503 } from "./d1.ts";
import { WHOLE_TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

/** The tenant's task with both payloads, or null where it has none of this id. */
export async function readTask(db: D1Database, tenant: string, id: string): Promise<WholeTaskRow | null> {
  return persistOr503(() =>
    db
      .prepare(`SELECT ${WHOLE_TASK_COLUMNS} FROM tasks WHERE id = ?1 AND tenant = ?2`)
      .bind(id, tenant)
      .first<WholeTaskRow>(),
  );
}

/** Tasks by id, of any tenant, in no particular order. For the system's own use. */
export async function readTasks(db: D1Database, ids: string[]): Promise<WholeTaskRow[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(`SELECT ${WHOLE_TASK_COLUMNS} FROM tasks WHERE id IN (SELECT value FROM json_each(?1))`)
      .bind(JSON.stringify(ids))
      .all<WholeTaskRow>(),
  );
  return results;
}

/** Rows of a page whose large payloads are fetched: more would not fit into a Worker's memory. */
const LARGE_PER_PAGE = 12;

/** Fills in payloads that do not lie in their rows, for the first few rows that have any. */
export async function withLargePayloads<Row extends WholeTaskRow>(db: D1Database, rows: Row[]): Promise<Row[]> {
  const large = rows.filter((row) => row.overflow !== 0).slice(0, LARGE_PER_PAGE);
  if (large.length === 0) return rows;
  const { results } = await persistOr503(() =>
    db
      .prepare("SELECT task_id AS id, kind, body FROM payloads WHERE task_id IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(large.map((row) => row.id)))
      .all<{ id: string; kind: "input" | "result"; body: string }>(),
  );
  const filled = new Map(large.map((row) => [row.id, { ...row }]));
  for (const { id, kind, body } of results) {
    const row = filled.get(id);
    if (row) row[kind] = body;
  }
  return rows.map((row) => filled.get(row.id) ?? row);
}

/**
 * Sets a bit of the task's `object`: it has a listener, or its progress object holds something of it. From
 * then on its changes are told to the object. Answers the row as it is at that moment.
 */
export async function markObject(db: D1Database, id: string, bit: number): Promise<WholeTaskRow | null> {
  const batch = new Batch(db);
  batch.add(db.prepare("UPDATE tasks SET object = object | ?2 WHERE id = ?1 AND object & ?2 = 0").bind(id, bit));
  const row = batch.first<WholeTaskRow>(db.prepare(`SELECT ${WHOLE_TASK_COLUMNS} FROM tasks WHERE id = ?1`).bind(id));
  await batch.run(persistOr503);
  return row();
}
