/** Reads tasks, one or a page of them; only ever those of one tenant. */

import type { State } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";
import { TASK_COLUMNS, WHOLE_TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

/** What a list or a bulk verb selects. Instants are ms since the epoch, exclusive. */
export interface TaskFilter {
  tenant: string;
  ids?: string[] | undefined;
  states?: readonly State[] | undefined;
  task?: string | undefined;
  lane?: string | undefined;
  tags?: Record<string, string> | undefined;
  createdAfter?: number | undefined;
  createdBefore?: number | undefined;
  flowId?: string | undefined;
}

/** A filter as SQL: fixed fragments, every value bound. */
function whereOf(filter: TaskFilter): { sql: string; values: (string | number)[] } {
  const parts: string[] = [];
  const values: (string | number)[] = [];
  const add = (sql: string, ...bound: (string | number)[]) => {
    parts.push(sql);
    values.push(...bound);
  };
  if (filter.ids) add("tasks.id IN (SELECT value FROM json_each(?))", JSON.stringify(filter.ids));
  add("tasks.tenant = ?", filter.tenant);
  if (filter.states) add("tasks.state IN (SELECT value FROM json_each(?))", JSON.stringify(filter.states));
  if (filter.task !== undefined) add("tasks.task = ?", filter.task);
  if (filter.lane !== undefined) add("tasks.lane = ?", filter.lane);
  for (const [name, value] of Object.entries(filter.tags ?? {})) {
    add("json_extract(tasks.tags, ?) = ?", `$."${name}"`, value);
  }
  if (filter.createdAfter !== undefined) add("tasks.created_at > ?", filter.createdAfter);
  if (filter.createdBefore !== undefined) add("tasks.created_at < ?", filter.createdBefore);
  if (filter.flowId !== undefined) {
    add(
      "tasks.id IN (SELECT member.value FROM flows, json_each(flows.ids) AS member WHERE flows.id = ?)",
      filter.flowId,
    );
  }
  return { sql: parts.join(" AND "), values };
}

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

/** A page, newest first, of the tasks before `cursor` (an id); of large payloads only the first few are there. */
export async function listTasks(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
): Promise<WholeTaskRow[]> {
  const where = whereOf(filter);
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT ${TASK_COLUMNS}, tasks.input, tasks.result FROM tasks
         WHERE ${cursor === null ? "" : "tasks.id < ? AND "}${where.sql} ORDER BY tasks.id DESC LIMIT ?`,
      )
      .bind(...(cursor === null ? [] : [cursor]), ...where.values, limit)
      .all<WholeTaskRow>(),
  );
  return withLargePayloads(db, results);
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

/** The ids that a filter finds, newest first, before `cursor`. */
export async function listIds(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
): Promise<string[]> {
  const where = whereOf(filter);
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT id FROM tasks WHERE ${cursor === null ? "" : "tasks.id < ? AND "}${where.sql}
         ORDER BY tasks.id DESC LIMIT ?`,
      )
      .bind(...(cursor === null ? [] : [cursor]), ...where.values, limit)
      .all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}

/**
 * Notes that somebody listens to the task or that its progress object holds something of it; from
 * then on its changes are told to the object. Answers the row as it is at that moment.
 */
export async function markObject(db: D1Database, id: string, bit: number): Promise<WholeTaskRow | null> {
  return persistOr503(async () => {
    const [, read] = await db.batch<WholeTaskRow>([
      db.prepare("UPDATE tasks SET object = object | ?2 WHERE id = ?1 AND object & ?2 = 0").bind(id, bit),
      db.prepare(`SELECT ${WHOLE_TASK_COLUMNS} FROM tasks WHERE id = ?1`).bind(id),
    ]);
    return read?.results[0] ?? null;
  });
}

/** How many tasks a filter finds. */
export async function countTasks(db: D1Database, filter: TaskFilter): Promise<number> {
  const where = whereOf(filter);
  const count = await persistOr503(() =>
    db
      .prepare(`SELECT COUNT(*) AS count FROM tasks WHERE ${where.sql}`)
      .bind(...where.values)
      .first<number>("count"),
  );
  return count ?? 0;
}
