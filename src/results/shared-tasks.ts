/** Stores a submission that shares its task with others: the first of a window makes it, the rest get it. */

import type { Share } from "../core/share.ts";
import { newRate } from "./limits/buckets.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { laneAccepts } from "./lanes/lanes.ts";
import { named, type Values } from "./named.ts";
import type { NewTask } from "./new-task.ts";
import { lastCounts } from "./submission-columns.ts";
import { ACCEPTED, addInsert, overflows, storedText } from "./submit-tasks.ts";
import { OVERFLOW } from "./task-row.ts";

/** Whether the window's task `t` still serves new submissions, as SQL. */
const OPEN: Record<Share["kind"], (share: Share) => string> = {
  debounce: () =>
    `t.state = 'scheduled' AND t.started_at IS NULL AND (t.lane = :lane OR ${laneAccepts(":lane", ":now")})`,
  throttle: (share) => `w.opened_at + ${share.ms} > :now`,
  cache: (share) =>
    `(t.state IN ('scheduled', 'queued', 'waiting', 'running', 'retrying')
      OR t.state = 'succeeded' AND t.finished_at + ${share.ms} > :now)`,
};

const WINDOW = "w.tenant = :tenant AND w.kind = :kind AND w.task = :task AND w.key = :key";

const NOTE_WINDOW = `
INSERT INTO windows (tenant, kind, task, key, task_id, opened_at, expires_at)
SELECT :tenant, :kind, :task, :key, id, :now, :expiresAt FROM tasks WHERE id = :id
ON CONFLICT DO UPDATE SET task_id = excluded.task_id, opened_at = excluded.opened_at, expires_at = excluded.expires_at
  WHERE task_id <> excluded.task_id`;

/** Answers the id of the task that serves this submission; null where it would be a new one that its lane refuses. Safe to repeat. */
export async function storeShared(db: D1Database, task: NewTask, share: Share, now: number): Promise<string | null> {
  const { id, tenant, lane } = task;
  const values = { tenant, kind: share.kind, task: task.task, key: share.key, id, lane, now };
  const isOpen = OPEN[share.kind](share);
  const batch = new Batch(db);
  if (share.kind === "debounce") batch.add(...storeOver(db, task, share, values));
  addInsert(batch, db, [task], {
    ...ACCEPTED,
    guard: `NOT EXISTS (SELECT 1 FROM windows AS w JOIN tasks AS t ON t.id = w.task_id WHERE ${WINDOW} AND ${isOpen})
      AND ${ACCEPTED.guard}`,
    values,
  });
  batch.add(named(db, NOTE_WINDOW, { ...values, expiresAt: now + share.ms + KEPT_MS }));
  const standing = batch.first<{ id: string }>(
    named(
      db,
      `SELECT t.id FROM windows AS w JOIN tasks AS t ON t.id = w.task_id WHERE ${WINDOW} AND (t.id = :id OR ${isOpen})`,
      values,
    ),
  );
  await batch.run(persistOr503);
  return standing()?.id ?? null;
}

/** Longer than any task is kept by default; a window that is removed early only leads to one more task. */
const KEPT_MS = 30 * 86_400_000;

const FOUND = `SELECT w.task_id FROM windows AS w WHERE ${WINDOW}`;

/** Whether a row of `tasks` is the window's task and takes this submission: it has not started, and the submission's lane does not drain. */
const TAKES = `tasks.id = (${FOUND}) AND tasks.state = 'scheduled' AND tasks.started_at IS NULL
  AND (tasks.lane = :lane OR ${laneAccepts(":lane", ":now")})`;

/** The concurrency limits `own` of the window's task. */
const LIMITS = `FROM tasks, json_each(tasks.concurrency) AS own WHERE ${TAKES}`;

const LEAVE_SLOTS = `DELETE FROM places WHERE (key, task_id) IN (SELECT own.value->>'key', tasks.id ${LIMITS})`;

/** The start moves, at most to the end of the longest wait. */
const START = `MIN(:runAt, COALESCE((SELECT opened_at FROM windows AS w WHERE ${WINDOW}) + :maxMs, :runAt))`;

/** The bit of the result stays as it is in the row. */
const OVERFLOWS = `overflow & ~${OVERFLOW.input} | (:stored->>'overflow')`;

const STORE_OVER = `
UPDATE tasks SET ${lastCounts(":stored", { run_at: START, due_at: START, overflow: OVERFLOWS })} WHERE ${TAKES}`;

/** Stores this submission over the window's task. */
function storeOver(db: D1Database, task: NewTask, share: Share, shared: Values): D1PreparedStatement[] {
  const values: Values = {
    ...shared,
    stored: storedText(task),
    runAt: task.runAt,
    maxMs: share.maxMs ?? Number.MAX_SAFE_INTEGER - Number(shared["now"]) - share.ms,
    payload: task.input,
    rates: task.rates,
  };
  return [
    LEAVE_SLOTS,
    overflows(task) ? LARGE_INPUT : NO_LARGE_INPUT,
    STORE_OVER,
    ...(task.concurrency ? [WAIT_FOR_SLOTS, STORE_LIMITS] : []),
    ...(task.rates ? [STORE_RATES] : []),
  ].map((sql) => named(db, sql, values));
}

/** Stores a large input beside the row; where this one is small, removes the one that lies there. */
const LARGE_INPUT = `
INSERT INTO payloads (task_id, kind, body) SELECT id, 'input', :payload FROM tasks WHERE ${TAKES}
ON CONFLICT DO UPDATE SET body = excluded.body`;

const NO_LARGE_INPUT = `
DELETE FROM payloads WHERE kind = 'input'
  AND task_id IN (SELECT id FROM tasks WHERE ${TAKES} AND overflow & ${OVERFLOW.input})`;

// What a trigger does where a task is inserted: makes it a waiter under its keys, and stores the limits that were named last.
const WAIT_FOR_SLOTS = `
INSERT INTO places (key, task_id, running) SELECT own.value->>'key', tasks.id, 0 ${LIMITS} ON CONFLICT DO NOTHING`;

const STORE_LIMITS = `
INSERT INTO limits (key, max, asked) SELECT own.value->>'key', own.value->>'limit', own.value->>'limit' ${LIMITS}
ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, max = COALESCE(override, excluded.asked)
  WHERE asked IS NOT excluded.asked`;

const own = (member: string) => `(own.value->>'${member}')`;

/** The same for its rates: what was named last holds, unless the API has set another. */
const STORE_RATES = `
UPDATE buckets SET ${newRate(own("interval"), own("tolerance"), ":now")} FROM json_each(:rates) AS own
WHERE buckets.key = own.value->>'key' AND buckets.override IS NULL
  AND (buckets.interval <> ${own("interval")} OR buckets.tolerance <> ${own("tolerance")})
  AND EXISTS (SELECT 1 FROM tasks WHERE ${TAKES})`;

/** Forgets windows whose time is over. */
export function forgetWindows(db: D1Database, now: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM windows WHERE (tenant, kind, task, key) IN
         (SELECT tenant, kind, task, key FROM windows WHERE expires_at <= ?1 LIMIT ?2)`,
    )
    .bind(now, limit);
}
