/** Slots under concurrency keys, as rows of `places`: which tasks have them, and which come next. */

import { Batch, persist } from "../d1.ts";
import type { Queued } from "../../core/states.ts";
import { laneIsOpen } from "../lanes/lanes.ts";

/** So many more tasks get a message than there is room for, because the next waiters may lack a slot under another key. */
const SPARE = 8;

/** A task in a paused lane does not count: it gets a message when the lane opens. */
const WAITS_FOR_SLOT = `tasks.state = 'queued' AND ${laneIsOpen("0")}`;

/** Rows of a key's waiters that one statement looks at, each with its task; tasks that it finds at most; and stretches for one answer. */
const STRETCH = 1_000;
const MAX_FOUND = 500;
const MAX_STRETCHES = 10;

/** Taken slots are counted up to this number; where more are taken, more tasks may get a message than there is room for. */
const MAX_TAKEN = 2_000;

const taken = (key: string, most: number) =>
  `(SELECT COUNT(*) FROM (SELECT 1 FROM places WHERE key = ${key} AND running = 1 LIMIT ${most}))`;

const NEXT = `
WITH line AS MATERIALIZED (
  SELECT task_id FROM places WHERE key = ?1 AND running = 0 AND task_id > ?2 ORDER BY task_id LIMIT ${STRETCH})
SELECT (
  SELECT json_group_array(json_object('id', next.id, 'lane', next.lane)) FROM (
    SELECT tasks.id, tasks.lane FROM line CROSS JOIN tasks ON tasks.id = line.task_id WHERE ${WAITS_FOR_SLOT}
    ORDER BY line.task_id
    LIMIT (SELECT CASE WHEN room > 0 THEN MIN(room + ${SPARE}, ${MAX_FOUND}) ELSE 0 END FROM (
      SELECT COALESCE((SELECT max FROM limits WHERE key = ?1), 0) - ${taken("?1", MAX_TAKEN)} AS room))) AS next) AS found,
  (SELECT task_id FROM line LIMIT 1 OFFSET ${STRETCH - 1}) AS goesOn`;

/** Keys that one call looks at, each by a statement: the clock comes back to the others. */
const MAX_KEYS = 100;

/**
 * The next waiters of each of these keys that has room. Where the first thousands of a key's tasks start later, those after them
 * are not looked at: each has a timer of its own.
 */
export async function readNextWaiters(db: D1Database, keys: readonly string[]): Promise<Queued[]> {
  const next = new Map<string, Queued>();
  let asked = keys.slice(0, MAX_KEYS).map((key) => ({ key, after: "" }));
  for (let left = MAX_STRETCHES; asked.length > 0 && left > 0; left--) {
    const batch = new Batch(db);
    const looked = asked.map(({ key, after }) => ({
      key,
      row: batch.first<{ found: string; goesOn: string | null }>(db.prepare(NEXT).bind(key, after)),
    }));
    await batch.run(persist);
    asked = looked.flatMap(({ key, row }) => {
      const { found = "[]", goesOn = null } = row() ?? {};
      const waiting = JSON.parse(found) as Queued[];
      for (const task of waiting) next.set(task.id, task);
      return waiting.length === 0 && goesOn !== null ? [{ key, after: goesOn }] : [];
    });
  }
  return [...next.values()];
}

/** Keys that one statement looks at, and the most waiters, or taken slots, of each. */
const KEYS_AT_ONCE = 40;
const LINE_AT_ONCE = 30;

/** Keys after ?1, and whether each has room while a task waits. */
const IDLE = `
SELECT key, max > ${taken("limits.key", LINE_AT_ONCE)} AND EXISTS (
  SELECT 1 FROM (SELECT task_id FROM places WHERE key = limits.key AND running = 0 ORDER BY task_id LIMIT ${LINE_AT_ONCE}) AS line
  CROSS JOIN tasks ON tasks.id = line.task_id WHERE ${WAITS_FOR_SLOT}) AS isIdle
FROM limits WHERE key > ?1 ORDER BY key LIMIT ${KEYS_AT_ONCE}`;

/**
 * Up to `limit` keys after `after` that have room while one of their first waiters is queued: its message was lost, or
 * the limit was raised. `next` is where to go on, "" where that was all.
 */
export async function readIdleKeys(
  db: D1Database,
  limit: number,
  after = "",
): Promise<{ keys: string[]; next: string }> {
  const keys: string[] = [];
  let next = after;
  for (let left = MAX_STRETCHES; left > 0 && keys.length < limit; left--) {
    const { results } = await persist(() => db.prepare(IDLE).bind(next).all<{ key: string; isIdle: 0 | 1 }>());
    for (const { key, isIdle } of results) {
      if (keys.length === limit) return { keys, next };
      next = key;
      if (isIdle === 1) keys.push(key);
    }
    if (results.length < KEYS_AT_ONCE) return { keys, next: "" };
  }
  return { keys, next };
}

/** Rows of `places` that a tick of the clock looks at. */
const GLANCED = 1_000;

/**
 * Answers a row where a task waits for a slot, or may, because there are more rows than are looked at. A task that starts later,
 * or waits for something else, does not count.
 */
export const ANY_WAITER = `
SELECT 1 AS found FROM (
  SELECT 1 FROM (SELECT task_id, running FROM places LIMIT ${GLANCED}) AS places CROSS JOIN tasks ON tasks.id = places.task_id
  WHERE places.running = 0 AND ${WAITS_FOR_SLOT}
  UNION ALL SELECT 1 FROM (SELECT 1 FROM places LIMIT 1 OFFSET ${GLANCED})) LIMIT 1`;

/** Looks at `limit` keys after `after`, and forgets the limits of those that nothing uses any more and the API has not changed. */
export function forgetLimits(db: D1Database, after: string, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM limits WHERE key IN (SELECT key FROM limits WHERE key > ?1 ORDER BY key LIMIT ?2)
         AND override IS NULL AND NOT EXISTS (SELECT 1 FROM places WHERE places.key = limits.key)`,
    )
    .bind(after, limit);
}
