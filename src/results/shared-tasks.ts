/** Stores a submission that shares its task with others: the first of a window makes it, the rest get it. */

import type { Share } from "../core/share.ts";
import { newRate } from "./limits/buckets.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { laneAccepts } from "./lanes/drains.ts";
import { ACCEPTED, insertStatements, overflows, storedText } from "./submit-tasks.ts";
import type { NewTask } from "./new-task.ts";
import { lastCounts } from "./submission-columns.ts";
import { OVERFLOW } from "./task-row.ts";

/** Whether the window's task `t` still serves new submissions, as SQL. ?6 is the time, ?7 the submission's lane. */
const OPEN: Record<Share["kind"], (share: Share) => string> = {
  debounce: () => `t.state = 'scheduled' AND t.started_at IS NULL AND (t.lane = ?7 OR ${laneAccepts("?7", "?6")})`,
  // These two name the lane only because every parameter must be named.
  throttle: (share) => `w.opened_at + ${share.ms} > ?6 AND ?7 IS NOT NULL`,
  cache: (share) =>
    `(t.state IN ('scheduled', 'queued', 'waiting', 'running', 'retrying')
      OR t.state = 'succeeded' AND t.finished_at + ${share.ms} > ?6) AND ?7 IS NOT NULL`,
};

const WINDOW = "w.tenant = ?2 AND w.kind = ?3 AND w.task = ?4 AND w.key = ?5";

/** Answers the id of the task that serves this submission; null where it would be a new one that its lane refuses. Safe to repeat. */
export async function storeShared(db: D1Database, task: NewTask, share: Share, now: number): Promise<string | null> {
  const name = [task.tenant, share.kind, task.task, share.key] as const;
  const open = `EXISTS (SELECT 1 FROM windows AS w JOIN tasks AS t ON t.id = w.task_id WHERE ${WINDOW} AND ${OPEN[share.kind](share)})`;
  const { statements } = insertStatements(db, [task], undefined, [], {
    ...ACCEPTED,
    guard: `NOT ${open} AND ${ACCEPTED.guard}`,
    values: [...name, now, task.lane],
  });
  const batch = new Batch(db);
  batch.add(
    ...(share.kind === "debounce" ? storeOver(db, task, share, name, now) : []),
    ...statements,
    db
      .prepare(
        `INSERT INTO windows (tenant, kind, task, key, task_id, opened_at, expires_at)
           SELECT ?1, ?2, ?3, ?4, id, ?6, ?7 FROM tasks WHERE id = ?5
           ON CONFLICT DO UPDATE SET task_id = excluded.task_id, opened_at = excluded.opened_at, expires_at = excluded.expires_at
             WHERE task_id <> excluded.task_id`,
      )
      .bind(...name, task.id, now, now + share.ms + KEPT_MS),
  );
  const standing = batch.first<{ id: string }>(
    db
      .prepare(
        `SELECT t.id FROM windows AS w JOIN tasks AS t ON t.id = w.task_id
           WHERE ${WINDOW} AND (t.id = ?1 OR ${OPEN[share.kind](share)})`,
      )
      .bind(task.id, ...name, now, task.lane),
  );
  await batch.run(persistOr503);
  return standing()?.id ?? null;
}

/** Longer than any task is kept by default; a window that is removed early only leads to one more task. */
const KEPT_MS = 30 * 86_400_000;

/**
 * Stores this submission over the window's task, unless the submission is for a lane that drains. The start moves, at most
 * to the end of the longest wait.
 */
function storeOver(
  db: D1Database,
  task: NewTask,
  share: Share,
  name: readonly string[],
  now: number,
): D1PreparedStatement[] {
  const find = `SELECT w.task_id FROM windows AS w WHERE w.tenant = ?1 AND w.kind = ?2 AND w.task = ?3 AND w.key = ?4`;
  const waiting = `tasks.id = (${find}) AND tasks.state = 'scheduled' AND tasks.started_at IS NULL`;
  const isTaken = `${waiting} AND (tasks.lane = ?5 OR ${laneAccepts("?5", "?6")})`;
  const limits = `FROM tasks, json_each(tasks.concurrency) AS own WHERE ${isTaken}`;
  const start = `MIN(?8, COALESCE((SELECT opened_at FROM windows AS w WHERE w.tenant = ?1 AND w.kind = ?2 AND w.task = ?3 AND w.key = ?4) + ?9, ?8))`;
  const values = [...name, task.lane, now] as const;
  return [
    db
      .prepare(`DELETE FROM places WHERE (key, task_id) IN (SELECT own.value->>'key', tasks.id ${limits})`)
      .bind(...values),
    storeInput(db, task, isTaken, values),
    db
      .prepare(
        `UPDATE tasks SET ${lastCounts("?7", { run_at: start, due_at: start, overflow: OVERFLOWS })} WHERE ${isTaken}`,
      )
      .bind(...values, storedText(task), task.runAt, share.maxMs ?? Number.MAX_SAFE_INTEGER - now - share.ms),
    ...(task.concurrency ? storeLimits(db, limits, values) : []),
    ...(task.rates ? [storeRates(db, task.rates, isTaken, values)] : []),
  ];
}

/** Stores a large input beside the row; where this one is small, removes the one that lies there. */
function storeInput(
  db: D1Database,
  task: NewTask,
  isTaken: string,
  values: readonly (string | number)[],
): D1PreparedStatement {
  if (!overflows(task)) {
    const sql = `DELETE FROM payloads WHERE kind = 'input'
      AND task_id IN (SELECT id FROM tasks WHERE ${isTaken} AND overflow & ${OVERFLOW.input})`;
    return db.prepare(sql).bind(...values);
  }
  return db
    .prepare(
      `INSERT INTO payloads (task_id, kind, body) SELECT id, 'input', ?7 FROM tasks WHERE ${isTaken}
       ON CONFLICT DO UPDATE SET body = excluded.body`,
    )
    .bind(...values, task.input);
}

/** The bit of the result stays as it is in the row. */
const OVERFLOWS = `overflow & ~${OVERFLOW.input} | (?7->>'overflow')`;

/** What a trigger does where a task is inserted: puts it into the lines of its keys, and stores the limits that were named last. */
function storeLimits(db: D1Database, limits: string, values: readonly (string | number)[]): D1PreparedStatement[] {
  return [
    db
      .prepare(
        `INSERT INTO places (key, task_id, running) SELECT own.value->>'key', tasks.id, 0 ${limits}
         ON CONFLICT DO NOTHING`,
      )
      .bind(...values),
    db
      .prepare(
        `INSERT INTO limits (key, max, asked) SELECT own.value->>'key', own.value->>'limit', own.value->>'limit' ${limits}
         ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, max = COALESCE(override, excluded.asked)
           WHERE asked IS NOT excluded.asked`,
      )
      .bind(...values),
  ];
}

/** The same for its rates: what was named last holds, unless the API has set another. */
function storeRates(
  db: D1Database,
  rates: string,
  isTaken: string,
  values: readonly (string | number)[],
): D1PreparedStatement {
  const own = (member: string) => `(own.value->>'${member}')`;
  return db
    .prepare(
      `UPDATE buckets SET ${newRate(own("interval"), own("tolerance"), "?6")} FROM json_each(?7) AS own
       WHERE buckets.key = own.value->>'key' AND buckets.override IS NULL
         AND (buckets.interval <> ${own("interval")} OR buckets.tolerance <> ${own("tolerance")})
         AND EXISTS (SELECT 1 FROM tasks WHERE ${isTaken})`,
    )
    .bind(...values, rates);
}

/** Forgets windows whose time is over. */
export function forgetWindows(db: D1Database, now: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM windows WHERE (tenant, kind, task, key) IN
         (SELECT tenant, kind, task, key FROM windows WHERE expires_at <= ?1 LIMIT ?2)`,
    )
    .bind(now, limit);
}
