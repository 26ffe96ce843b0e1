/** Stores a submission that shares its task with others: the first of a window makes it, the rest get it. */

import { INLINE_PAYLOAD_BYTES } from "../core/limits.ts";
import type { Share } from "../core/share.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import { ACCEPTED, byteLength, insertStatements, type NewTask } from "./insert-tasks.ts";
import { OVERFLOW } from "./task-row.ts";

/** Whether the window's task `t` still stands for new submissions, as SQL. ?6 is the time. */
const OPEN: Record<Share["kind"], (share: Share) => string> = {
  // Names the time only because every parameter must be named.
  debounce: () => "t.state = 'scheduled' AND t.started_at IS NULL AND ?6 IS NOT NULL",
  throttle: (share) => `w.opened_at + ${share.ms} > ?6`,
  cache: (share) =>
    `(t.state IN ('scheduled', 'queued', 'waiting', 'running', 'retrying')
      OR t.state = 'succeeded' AND t.finished_at + ${share.ms} > ?6)`,
};

const WINDOW = "w.tenant = ?2 AND w.kind = ?3 AND w.task = ?4 AND w.key = ?5";

/** Answers the id of the task that stands for this submission; null where it would be a new one, and its lane refuses that. Safe to repeat. */
export async function storeShared(db: D1Database, task: NewTask, share: Share, now: number): Promise<string | null> {
  const name = [task.tenant, share.kind, task.task, share.key] as const;
  const open = `EXISTS (SELECT 1 FROM windows AS w JOIN tasks AS t ON t.id = w.task_id WHERE ${WINDOW} AND ${OPEN[share.kind](share)})`;
  const { statements } = insertStatements(db, [task], undefined, [], {
    ...ACCEPTED,
    guard: `NOT ${open} AND ${ACCEPTED.guard}`,
    values: [...name, now],
  });
  const results = await persistOr503(() =>
    db.batch([
      ...(share.kind === "debounce" ? replaceInput(db, task, share, name, now) : []),
      ...statements,
      db
        .prepare(
          `INSERT INTO windows (tenant, kind, task, key, task_id, opened_at, expires_at)
           SELECT ?1, ?2, ?3, ?4, id, ?6, ?7 FROM tasks WHERE id = ?5
           ON CONFLICT DO UPDATE SET task_id = excluded.task_id, opened_at = excluded.opened_at, expires_at = excluded.expires_at
             WHERE task_id <> excluded.task_id`,
        )
        .bind(...name, task.id, now, now + share.ms + KEPT_MS),
      db
        .prepare(
          `SELECT t.id FROM windows AS w JOIN tasks AS t ON t.id = w.task_id
           WHERE ${WINDOW} AND (t.id = ?1 OR ${OPEN[share.kind](share)})`,
        )
        .bind(task.id, ...name, now),
    ]),
  );
  return rowsOf<{ id: string }>(results, results.length - 1)[0]?.id ?? null;
}

/** Longer than any task is kept by default; a window that is forgotten early only makes one task more. */
const KEPT_MS = 30 * 86_400_000;

/** The window's task takes this submission's input with its limits, and its start moves: at most to the end of the longest wait. */
function replaceInput(
  db: D1Database,
  task: NewTask,
  share: Share,
  name: readonly string[],
  now: number,
): D1PreparedStatement[] {
  const find = `SELECT w.task_id FROM windows AS w WHERE w.tenant = ?1 AND w.kind = ?2 AND w.task = ?3 AND w.key = ?4`;
  const waiting = `tasks.id = (${find}) AND tasks.state = 'scheduled' AND tasks.started_at IS NULL`;
  const limits = `FROM tasks, json_each(tasks.concurrency) AS own WHERE ${waiting}`;
  const large = task.input !== null && byteLength(task.input) > INLINE_PAYLOAD_BYTES;
  const start =
    "MIN(?5, COALESCE((SELECT opened_at FROM windows AS w WHERE w.tenant = ?1 AND w.kind = ?2 AND w.task = ?3 AND w.key = ?4) + ?6, ?5))";
  return [
    db
      .prepare(`DELETE FROM places WHERE (key, task_id) IN (SELECT own.value->>'key', tasks.id ${limits})`)
      .bind(...name),
    db
      .prepare(
        `UPDATE tasks SET input = ?7, overflow = overflow & ~${OVERFLOW.input} | ?8, options = ?9, tags = ?10,
           concurrency = ?11, rates = ?12, run_at = ${start}, due_at = ${start}
         WHERE ${waiting}`,
      )
      .bind(
        ...name,
        task.runAt,
        share.maxMs ?? Number.MAX_SAFE_INTEGER - now - share.ms,
        large ? null : task.input,
        large ? OVERFLOW.input : 0,
        task.options,
        task.tags,
        task.concurrency ?? null,
        task.rates ?? null,
      ),
    db
      .prepare(
        `INSERT INTO places (key, task_id, running) SELECT own.value->>'key', tasks.id, 0 ${limits}
         ON CONFLICT DO NOTHING`,
      )
      .bind(...name),
    db
      .prepare(
        `INSERT INTO limits (key, max, asked) SELECT own.value->>'key', own.value->>'limit', own.value->>'limit' ${limits}
         ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, max = COALESCE(override, excluded.asked)
           WHERE asked IS NOT excluded.asked`,
      )
      .bind(...name),
    ...(large
      ? [
          db
            .prepare(
              `INSERT INTO payloads (task_id, kind, body)
               SELECT id, 'input', ?5 FROM tasks WHERE ${waiting}
               ON CONFLICT DO UPDATE SET body = excluded.body`,
            )
            .bind(...name, task.input),
        ]
      : []),
  ];
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
