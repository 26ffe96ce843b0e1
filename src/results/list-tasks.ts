/**
 * Lists and counts the tasks that a filter finds, newest first. However many there are and however few match, a statement
 * looks at a bounded number of them, and the next one goes on behind the last that was looked at.
 */

import { persistOr503 } from "./d1.ts";
import { withLargePayloads } from "./read-tasks.ts";
import { conditionOf, placeOf, type Place, type Sql, type TaskFilter, type Window } from "./task-filter.ts";
import { TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

/** Tasks that one statement looks at, each read once, and ids that one is given, each read three times. */
const STRETCH = 4_000;
const NAMED = 1_000;

/** Tasks looked at for a page where few match, alone and with an estimate (`counted`): with all else, a page reads 5,000 rows at most. */
const MOST = { alone: 2_800, counted: 600 } as const;

interface TaskPage<Row> {
  items: Row[];
  /** The last id that was looked at; null where there are no more. */
  next: string | null;
}

/** A page of up to `limit` (200 at most) of the tasks before `cursor` (an id); of large payloads only the first few are there. */
export async function listTasks(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
  isCounted = false,
): Promise<TaskPage<WholeTaskRow>> {
  const place = await placeOf(db, filter, NAMED);
  const condition = conditionOf(filter);
  const window = place(cursor);
  const isNamed = window.last !== undefined;
  // Where most tasks match, a few are enough, and one statement.
  const stretch = isNamed ? NAMED : 2 * (limit + 1);
  const { hits, last } = await lookForRows(db, window, condition, limit + 1, stretch);
  if (hits.length > limit) {
    const items = hits.slice(0, limit);
    return { items: await withLargePayloads(db, items), next: items.at(-1)!.id };
  }
  const after = isNamed ? window.last! : (last ?? window.after);
  if (after === null || isNamed) return { items: await withLargePayloads(db, hits), next: after };
  const rest = await find(db, place, condition, after, limit - hits.length, isCounted ? MOST.counted : MOST.alone);
  const rows = rest.items.length === 0 ? [] : await readRows(db, rest.items, condition);
  return { items: await withLargePayloads(db, [...hits, ...rows]), next: rest.next };
}

/** Up to `limit` ids of the tasks before `cursor` that a filter finds, by about `looks` statements. */
export async function listIds(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  limit: number,
  looks: number,
): Promise<TaskPage<string>> {
  const place = await placeOf(db, filter, NAMED);
  return find(db, place, conditionOf(filter), cursor, limit, looks * STRETCH);
}

/** How many of the tasks before `cursor` (an id) a filter finds, as far as `looks` statements can look, each at `stretch` tasks. */
export async function countMatches(
  db: D1Database,
  filter: TaskFilter,
  cursor: string | null,
  looks: number,
  stretch: number = STRETCH,
  known?: Place,
): Promise<{ found: number; next: string | null }> {
  const place = known ?? (await placeOf(db, filter, NAMED));
  const condition = conditionOf(filter);
  let found = 0;
  let next = cursor;
  for (let i = 0; i < looks; i++) {
    const window = place(next);
    const row = await look(db, window, condition, stretch, "COUNT(*) FILTER (WHERE hit)");
    found += row.found as number;
    next = goOn(window, row, stretch);
    if (next === null) break;
  }
  return { found, next };
}

const COLUMNS = `${TASK_COLUMNS}, tasks.input, tasks.result`;

/** Up to `limit` rows of the window that match; where they are fewer, and the window goes on, the last id that was looked at. */
async function lookForRows(
  db: D1Database,
  window: Window,
  condition: Sql,
  limit: number,
  stretch: number,
): Promise<{ hits: WholeTaskRow[]; last: string | null }> {
  // The last row is read only where the page is short and its window does not say where to go on: a full page says it itself.
  const isLastKnown = window.last !== undefined;
  const sql = `
    WITH page AS MATERIALIZED (
      SELECT id FROM (SELECT * FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT ${stretch}) AS tasks
      WHERE ${condition.sql} LIMIT ?),
    last AS MATERIALIZED (
      SELECT id FROM tasks WHERE ${isLastKnown ? "FALSE" : window.sql}
      ORDER BY id DESC LIMIT (SELECT COUNT(*) FROM page) < ? OFFSET ${stretch - 1})
    SELECT ${COLUMNS}, looked.hit FROM (SELECT id, 1 AS hit FROM page UNION ALL SELECT id, 0 FROM last) AS looked
    CROSS JOIN tasks ON tasks.id = looked.id`;
  const values = [...window.values, ...condition.values, limit, ...(isLastKnown ? [] : window.values), limit];
  const { results } = await persistOr503(() =>
    db
      .prepare(sql)
      .bind(...values)
      .all<WholeTaskRow & { hit: 0 | 1 }>(),
  );
  const hits = results.filter((row) => row.hit === 1).toSorted((a, b) => (a.id < b.id ? 1 : -1));
  return { hits, last: results.find((row) => row.hit === 0)?.id ?? null };
}

/** The tasks with these ids that still match, in their order. */
async function readRows(db: D1Database, ids: readonly string[], condition: Sql): Promise<WholeTaskRow[]> {
  const sql = `SELECT ${COLUMNS} FROM json_each(?) AS found CROSS JOIN tasks ON tasks.id = found.value WHERE ${condition.sql}`;
  const read = db.prepare(sql).bind(JSON.stringify(ids), ...condition.values);
  return (await persistOr503(() => read.all<WholeTaskRow>())).results;
}

async function find(
  db: D1Database,
  place: Place,
  condition: Sql,
  cursor: string | null,
  limit: number,
  most: number,
): Promise<TaskPage<string>> {
  const items: string[] = [];
  let next = cursor;
  for (let left = most; left > 0;) {
    const window = place(next);
    const stretch = Math.min(STRETCH, left);
    const row = await look(db, window, condition, stretch, "json_group_array(id) FILTER (WHERE hit)");
    items.push(...(JSON.parse(row.found as string) as string[]).toSorted().toReversed());
    if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1] ?? next };
    next = goOn(window, row, stretch);
    if (next === null) break;
    left -= STRETCH;
  }
  return { items, next };
}

interface Looked {
  /** What the SQL `found` of {@link look} gave. */
  found: number | string;
  looked: number;
  last: string | null;
}

/** Looks at up to `stretch` tasks of the window. `found`: SQL of what to answer about them, in which those that match are a `hit`. */
async function look(db: D1Database, window: Window, condition: Sql, stretch: number, found: string): Promise<Looked> {
  const row = await persistOr503(() =>
    db
      .prepare(
        `SELECT ${found} AS found, COUNT(*) AS looked, MIN(id) AS last FROM (
           SELECT id, ${condition.sql} AS hit FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT ${stretch})`,
      )
      .bind(...condition.values, ...window.values)
      .first<Looked>(),
  );
  return row!;
}

/** The id after which to go on; null: that was all. */
function goOn(window: Window, { looked, last }: Looked, stretch: number): string | null {
  if (window.last !== undefined) return window.last;
  return looked < stretch ? window.after : last;
}
