/**
 * Lists and counts the tasks that a filter finds, newest first. However many there are and however few match, a statement
 * looks at a bounded number of them, and the next one goes on behind the last that was looked at.
 */

import { persistOr503 } from "./d1.ts";
import { withLargePayloads } from "./read-tasks.ts";
import { conditionOf, placeOf, type Sql, type TaskFilter, type Window } from "./task-filter.ts";
import { TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

/** Tasks that one statement looks at, for a page and for a count. Neither reads more than 5,000 rows. */
const STRETCH = { page: 1_500, count: 4_000 } as const;

/** Statements that look for the items of one page. */
const LOOKS = 8;

interface TaskPage<Row> {
  items: Row[];
  /** The last id that was looked at; null where there are no more. */
  next: string | null;
}

/** A page of up to `limit` (500 at most) of the tasks before `cursor` (an id); of large payloads only the first few are there. */
export async function listTasks(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
): Promise<TaskPage<WholeTaskRow>> {
  const page = await find<WholeTaskRow>(db, `${TASK_COLUMNS}, tasks.input, tasks.result`, filter, cursor, limit, LOOKS);
  return { ...page, items: await withLargePayloads(db, page.items) };
}

/** The same for their ids alone, found by at most `looks` statements. */
export async function listIds(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
  looks: number,
): Promise<TaskPage<string>> {
  const { items, next } = await find<{ id: string }>(db, "tasks.id", filter, cursor, limit, looks);
  return { items: items.map((row) => row.id), next };
}

/** How many of the tasks before `cursor` (an id) a filter finds, as far as `looks` statements can look. */
export async function countMatches(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  looks: number,
): Promise<{ found: number; next: string | null }> {
  const place = await placeOf(db, filter, STRETCH.count / 2);
  const condition = conditionOf(filter);
  let found = 0;
  let next = cursor;
  for (let i = 0; i < looks; i++) {
    const window = place(next);
    const row = await count(db, window, condition);
    found += row.found;
    next = window.last === undefined ? (row.looked < STRETCH.count ? window.after : row.last) : window.last;
    if (next === null) break;
  }
  return { found, next };
}

async function find<Row extends { id: string }>(
  db: D1Database,
  columns: string,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
  looks: number,
): Promise<TaskPage<Row>> {
  const place = await placeOf(db, filter, STRETCH.page);
  const condition = conditionOf(filter);
  const items: Row[] = [];
  let next = cursor;
  for (let i = 0; i < looks; i++) {
    const window = place(next);
    const { hits, last } = await look<Row>(db, columns, window, condition, limit + 1 - items.length);
    items.push(...hits);
    if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]!.id };
    next = window.last === undefined ? (last ?? window.after) : window.last;
    if (next === null) break;
  }
  return { items, next };
}

/** Up to `limit` rows of the window that match; where they are fewer, and the window goes on, the last id that was looked at. */
async function look<Row extends { id: string }>(
  db: D1Database,
  columns: string,
  window: Window,
  condition: Sql,
  limit: number,
): Promise<{ hits: Row[]; last: string | null }> {
  // The last row is looked for only where the page is short, as a full page shows where to go on, and nothing else says it.
  const isLastKnown = window.last !== undefined;
  const sql = `
    WITH page AS MATERIALIZED (
      SELECT id FROM (SELECT * FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT ${STRETCH.page}) AS tasks
      WHERE ${condition.sql} LIMIT ?),
    last AS MATERIALIZED (
      SELECT id FROM tasks WHERE ${isLastKnown ? "FALSE" : window.sql}
      ORDER BY id DESC LIMIT (SELECT COUNT(*) FROM page) < ? OFFSET ${STRETCH.page - 1})
    SELECT ${columns}, looked.hit FROM (SELECT id, 1 AS hit FROM page UNION ALL SELECT id, 0 FROM last) AS looked
    CROSS JOIN tasks ON tasks.id = looked.id`;
  const values = [...window.values, ...condition.values, limit, ...(isLastKnown ? [] : window.values), limit];
  const { results } = await persistOr503(() =>
    db
      .prepare(sql)
      .bind(...values)
      .all<Row & { hit: 0 | 1 }>(),
  );
  const hits = results.filter((row) => row.hit === 1).toSorted((a, b) => (a.id < b.id ? 1 : -1));
  return { hits, last: results.find((row) => row.hit === 0)?.id ?? null };
}

interface Counted {
  found: number;
  looked: number;
  last: string | null;
}

async function count(db: D1Database, window: Window, condition: Sql): Promise<Counted> {
  const row = await persistOr503(() =>
    db
      .prepare(
        `SELECT COUNT(*) FILTER (WHERE hit) AS found, COUNT(*) AS looked, MIN(id) AS last FROM (
           SELECT id, ${condition.sql} AS hit FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT ${STRETCH.count})`,
      )
      .bind(...condition.values, ...window.values)
      .first<Counted>(),
  );
  return row!;
}
