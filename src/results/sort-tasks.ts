/**
 * Lists ended tasks by when they ended or how long they ran, the largest first. No index holds that order, because it would
 * cost every task a written row: so tasks are sorted within stretches of the order of creation, the newest stretch first.
 */

import { firstIdAt } from "../core/id-time.ts";
import { TERMINAL_STATES } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";
import { withLargePayloads } from "./read-tasks.ts";
import { conditionOf, placeOf, SORTS, type Sql, type TaskFilter, type Window } from "./task-filter.ts";
import { TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

export type Sort = keyof typeof SORTS;

/** Tasks that one statement looks at, and the statements that look for one stretch: with its rows a page reads no more than 5,000. */
const STRETCH = 2_000;
const LOOKS = 2;

/** Ids that one statement is given: it reads each three times. */
const NAMED = 700;

/** Later than any request: where the first stretch begins. */
const AHEAD_MS = 60_000;

/** A place in the order. */
export interface SortedPlace {
  /** The stretch: tasks with ids before `start`, down to `end`; null: not looked at yet. */
  start: string;
  end: string | null;
  /** Within it: behind this one. */
  after: { value: number; id: string } | null;
}

interface Hit {
  id: string;
  value: number;
}

/** A page of up to `limit` of a stretch, and where the next one begins; null where there are no more. */
export async function sortTasks(
  db: D1Database,
  filter: TaskFilter,
  sort: Sort,
  from: SortedPlace | null,
  limit: number,
  now: number,
): Promise<{ items: WholeTaskRow[]; next: SortedPlace | null }> {
  const { start, end, after } = from ?? { start: firstIdAt("task", now + AHEAD_MS), end: null, after: null };
  const states = TERMINAL_STATES.filter((state) => filter.states?.includes(state) ?? true);
  const place = await placeOf(db, { ...filter, states }, NAMED);
  const condition = conditionOf({ ...filter, states });
  let hits: Hit[] = [];
  let bottom: string | null = start;
  // A stretch that is looked at again keeps its end. Where these statements do not reach that end, because tasks have come into the
  // stretch or the caller has made up the cursor, the stretch ends where they do.
  for (let i = 0; bottom !== null && i < LOOKS && (end === null || bottom > end); i++) {
    const window: Window = place(bottom);
    const { found, last } = await look(db, window, condition, SORTS[sort], { end, after }, limit + 1);
    hits = first([...hits, ...found], limit + 1);
    bottom = window.last === undefined ? (last ?? window.after) : window.last;
  }
  const page = hits.slice(0, limit);
  const rows = await readRows(db, page);
  const more = hits.length > limit;
  // Tasks that come into the stretch meanwhile do not move its end.
  const until = bottom !== null && end !== null && bottom < end ? end : bottom;
  if (more) return { items: rows, next: { start, end: until ?? FIRST, after: page.at(-1)! } };
  return { items: rows, next: until === null || until === FIRST ? null : { start: until, end: null, after: null } };
}

/** Before every id of a task. */
const FIRST = firstIdAt("task", 0);

function first(hits: Hit[], limit: number): Hit[] {
  return hits.toSorted((a, b) => b.value - a.value || (a.id < b.id ? 1 : -1)).slice(0, limit);
}

async function look(
  db: D1Database,
  window: Window,
  condition: Sql,
  value: string,
  { end, after }: Pick<SortedPlace, "end" | "after">,
  limit: number,
): Promise<{ found: Hit[]; last: string | null }> {
  const sql = `
    SELECT COUNT(*) AS looked, MIN(id) AS last, json_group_array(json_object('id', id, 'value', value)) FILTER (
      WHERE value IS NOT NULL AND id >= ? AND (value < ? OR value = ? AND id < ?)) AS found
    FROM (SELECT id, CASE WHEN ${condition.sql} THEN ${value} END AS value
      FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT ${STRETCH})`;
  const before = after ?? { value: Number.MAX_SAFE_INTEGER, id: "" };
  const place = [end ?? FIRST, before.value, before.value, before.id];
  const row = await persistOr503(() =>
    db
      .prepare(sql)
      .bind(...place, ...condition.values, ...window.values)
      .first<{ looked: number; last: string | null; found: string }>(),
  );
  const { looked, last, found } = row!;
  return { found: first(JSON.parse(found) as Hit[], limit), last: looked < STRETCH ? null : last };
}

async function readRows(db: D1Database, hits: readonly Hit[]): Promise<WholeTaskRow[]> {
  if (hits.length === 0) return [];
  const sql = `SELECT ${TASK_COLUMNS}, tasks.input, tasks.result FROM tasks WHERE id IN (SELECT value FROM json_each(?1))`;
  const read = db.prepare(sql).bind(JSON.stringify(hits.map(({ id }) => id)));
  const { results } = await persistOr503(() => read.all<WholeTaskRow>());
  const rows = new Map((await withLargePayloads(db, results)).map((row) => [row.id, row]));
  return hits.flatMap(({ id }) => rows.get(id) ?? []);
}
