/**
 * Lists ended tasks by when they ended or how long they ran, the largest first. No index holds that order, because it would
 * cost every task a written row: so tasks are sorted in stretches, as they were made, the newest stretch first.
 */

import { firstIdAt } from "../core/id-time.ts";
import { TERMINAL_STATES } from "../core/states.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { withLargePayloads } from "./read-tasks.ts";
import { conditionOf, placeOf, SORTS, type Sql, type TaskFilter, type Window } from "./task-filter.ts";
import { TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

export type Sort = keyof typeof SORTS;

/** Tasks that one statement looks at (it reads each twice, to find and to sort it), and the statements that look for one stretch. */
const STRETCH = 2_000;
const LOOKS = 8;

/**
 * The statements that look for it again, until the end that it had: twice as many, because tasks may have come into it meanwhile.
 * A cursor is the caller's to make up, so where the end is further off, the stretch ends before it.
 */
const LOOKS_AGAIN = 2 * LOOKS;

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
  const place = await placeOf(db, { ...filter, states }, STRETCH / 2);
  const condition = conditionOf({ ...filter, states });
  let hits: Hit[] = [];
  let bottom: string | null = start;
  for (let i = 0; bottom !== null && (end === null ? i < LOOKS : i < LOOKS_AGAIN && bottom > end); i++) {
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
  const find = `
    SELECT id, value FROM (
      SELECT id, CASE WHEN ${condition.sql} THEN ${value} END AS value FROM (
        SELECT * FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT ${STRETCH}) AS tasks)
    WHERE value IS NOT NULL AND id >= ? AND (value < ? OR value = ? AND id < ?)
    ORDER BY value DESC, id DESC LIMIT ?`;
  const before = after ?? { value: Number.MAX_SAFE_INTEGER, id: "" };
  const place = [end ?? FIRST, before.value, before.value, before.id, limit];
  const last = `SELECT id FROM tasks WHERE ${window.sql} ORDER BY id DESC LIMIT 1 OFFSET ${STRETCH - 1}`;
  const batch = new Batch(db);
  const found = batch.rows<Hit>(db.prepare(find).bind(...condition.values, ...window.values, ...place));
  const bottom = batch.first<{ id: string }>(db.prepare(last).bind(...window.values));
  await batch.run(persistOr503);
  return { found: found(), last: bottom()?.id ?? null };
}

async function readRows(db: D1Database, hits: readonly Hit[]): Promise<WholeTaskRow[]> {
  if (hits.length === 0) return [];
  const sql = `SELECT ${TASK_COLUMNS}, tasks.input, tasks.result FROM tasks WHERE id IN (SELECT value FROM json_each(?1))`;
  const read = db.prepare(sql).bind(JSON.stringify(hits.map(({ id }) => id)));
  const { results } = await persistOr503(() => read.all<WholeTaskRow>());
  const rows = new Map((await withLargePayloads(db, results)).map((row) => [row.id, row]));
  return hits.flatMap(({ id }) => rows.get(id) ?? []);
}
