/** Changes a task before its first start: one transaction, guarded, so that a task that is claimed meanwhile stays as it is. */

import { BELL_MS, INLINE_PAYLOAD_BYTES } from "../core/bounds.ts";
import { NO_START } from "../core/settle.ts";
import { ARROWS, sqlStates } from "../core/states.ts";
import { auditStatements, type Audit } from "./audit.ts";
import type { Change } from "./changes.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { byteLength } from "../core/byte-length.ts";
import { withOwnLimits, type NewInput } from "./retry-tasks.ts";
import { OVERFLOW } from "./task-row.ts";

/** The members to change; absent ones stay as they are. Instants are ms since the epoch. */
export interface TaskChange {
  runAt?: number;
  lane?: string;
  /** JSON text; null: none. */
  tags?: string | null;
  maxAttempts?: number;
  expiresAt?: number | null;
  /** Whether it is held back by hand; false lets it start at its time, or now where that has passed. */
  paused?: boolean;
}

/** Its own columns beside the input: ?2 is the change as a JSON object, ?3 the time. */
const given = (member: string) => `?2->>'$.${member}'`;
const isGiven = (member: string) => `json_type(?2, '$.${member}') IS NOT NULL`;

const PAUSED = `CASE ${given("paused")} WHEN 1 THEN COALESCE(paused_at, ?3) WHEN 0 THEN NULL ELSE paused_at END`;
const EXPIRY = `CASE WHEN ${isGiven("expiresAt")} THEN ${given("expiresAt")} ELSE expires_at END`;
// The time of a pause does not count as waiting for a worker.
const START = `CASE WHEN state = 'waiting' THEN run_at ELSE COALESCE(${given("runAt")},
  CASE ${given("paused")} WHEN 0 THEN MAX(run_at, ?3) ELSE run_at END) END`;
const NEVER = `COALESCE(${EXPIRY}, ${NO_START})`;

/** Whether it may start at another time than before, or in another queue. */
const MOVES = `(${["runAt", "lane", "expiresAt", "paused"].map(isGiven).join(" OR ")})`;

const IS_HELD = `(${PAUSED} IS NOT NULL OR ${START} > ?3)`;

// Listeners may have the event that says it is queued, with a number and a time. So a task that stays queued keeps the time, and
// one that leaves the queue gets a new run, whose events have greater numbers.
const LEAVES = `(state = 'queued' AND ${MOVES} AND ${IS_HELD})`;

const COLUMNS = `
  lane = COALESCE(${given("lane")}, lane), max_attempts = COALESCE(${given("maxAttempts")}, max_attempts),
  tags = CASE WHEN ${isGiven("tags")} THEN ${given("tags")} ELSE tags END,
  expires_at = ${EXPIRY}, paused_at = ${PAUSED}, run = run + ${LEAVES},
  run_at = CASE WHEN state = 'queued' AND NOT ${IS_HELD} THEN run_at ELSE ${START} END,
  options = CASE WHEN ${LEAVES} AND options->>'$.from.run' = run THEN json_set(options, '$.from.run', run + 1) ELSE options END,
  state = CASE WHEN state = 'waiting' OR NOT ${MOVES} THEN state
    WHEN ${IS_HELD} THEN 'scheduled' ELSE 'queued' END,
  due_at = CASE WHEN NOT ${MOVES} THEN due_at WHEN state = 'waiting' THEN ${EXPIRY} WHEN ${PAUSED} IS NOT NULL THEN ${NEVER}
    ELSE MIN(CASE WHEN ${START} > ?3 THEN ${START} ELSE ?3 + COALESCE(batch->>'wait', ${BELL_MS}) END, ${NEVER}) END`;

/**
 * The task ?1 before its first start. A member of a flow that waits has no start of its own to move, and one that takes its input
 * from the flow has no input to replace. Nothing changes where it would expire before its start, or is already paused (or not) as asked.
 */
const GUARD = `id = ?1 AND started_at IS NULL AND (state IN ${sqlStates(ARROWS.change.from)}
    OR state = 'waiting' AND ${given("runAt")} IS NULL)
  AND NOT (COALESCE(${given("hasInput")}, 0) AND (node->'passed' IS NOT NULL OR node->'from' IS NOT NULL))
  AND (${EXPIRY} IS NULL OR NOT (${isGiven("runAt")} OR ${isGiven("expiresAt")})
    OR ${EXPIRY} > CASE WHEN state = 'waiting' THEN ?3 ELSE MAX(${START}, ?3) + COALESCE(batch->>'wait', 0) END)
  AND NOT (${isGiven("paused")} AND ${given("runAt")} IS NULL AND ${given("paused")} = (paused_at IS NOT NULL))`;

const OWN_KEYS = `SELECT value->>'key' FROM (SELECT concurrency FROM tasks WHERE ${GUARD}) AS own, json_each(own.concurrency)`;

const LEAVE_LINES = `DELETE FROM places WHERE task_id = ?1 AND running = 0 AND key IN (${OWN_KEYS})`;

const NO_LARGE_INPUT = `DELETE FROM payloads WHERE kind = 'input' AND task_id IN (SELECT id FROM tasks WHERE ${GUARD})`;

const LARGE_INPUT = `
INSERT INTO payloads (task_id, kind, body) SELECT id, 'input', ?4 FROM tasks WHERE ${GUARD}
ON CONFLICT DO UPDATE SET body = excluded.body`;

const INPUT = `, input = ?4, sealed = ?5, rates = ?6, concurrency = ${withOwnLimits("?7")},
  overflow = overflow & ~${OVERFLOW.input} | ?8`;

// Does what a trigger does for an inserted task. At this point the row has its new keys.
const ENTER_LINES = `
INSERT INTO places (key, task_id, running)
SELECT value->>'key', tasks.id, 0 FROM tasks, json_each(tasks.concurrency)
WHERE tasks.id = ?1 AND started_at IS NULL AND state IN ('scheduled', 'queued', 'waiting') ON CONFLICT DO NOTHING`;

const NAME_LIMITS = `
INSERT INTO limits (key, max, asked)
SELECT value->>'key', value->>'limit', value->>'limit' FROM tasks, json_each(tasks.concurrency)
WHERE tasks.id = ?1 AND started_at IS NULL AND state IN ('scheduled', 'queued', 'waiting')
ON CONFLICT (key) DO UPDATE SET asked = excluded.asked, max = COALESCE(override, excluded.asked)
  WHERE asked IS NOT excluded.asked`;

const AFTER = "SELECT id, lane, state, due_at AS dueAt, object, batch FROM tasks WHERE id = ?1";

/** Answers the task as it stands after the change, null where it could not be made. Safe to repeat. */
export async function changeTask(
  db: D1Database,
  id: string,
  change: TaskChange,
  input: NewInput | null,
  now: number,
  audit: Audit | null = null,
): Promise<Change | null> {
  const values = [id, JSON.stringify({ ...change, hasInput: input !== null }), now] as const;
  const batch = new Batch(db);
  batch.add(...auditStatements(db, audit, `SELECT COUNT(*) FROM tasks WHERE ${GUARD}`, values));
  let changed: () => number;
  if (input === null) {
    changed = batch.changes(db.prepare(`UPDATE tasks SET ${COLUMNS} WHERE ${GUARD}`).bind(...values));
  } else {
    const { text, sealed = null, rates, concurrency } = input;
    const isLarge = byteLength(text) > INLINE_PAYLOAD_BYTES;
    const columns = [isLarge ? null : text, sealed, rates, concurrency, isLarge ? OVERFLOW.input : 0];
    batch.add(
      db.prepare(LEAVE_LINES).bind(...values),
      isLarge ? db.prepare(LARGE_INPUT).bind(...values, text) : db.prepare(NO_LARGE_INPUT).bind(...values),
    );
    changed = batch.changes(
      db.prepare(`UPDATE tasks SET ${COLUMNS}${INPUT} WHERE ${GUARD}`).bind(...values, ...columns),
    );
    batch.add(db.prepare(ENTER_LINES).bind(id), db.prepare(NAME_LIMITS).bind(id));
  }
  // A call that is repeated, because its answer was lost, finds the entry that it has written.
  const entry = batch.first(db.prepare("SELECT 1 AS found FROM audit WHERE id = ?1").bind(audit?.id ?? ""));
  const after = batch.first<Change>(db.prepare(AFTER).bind(id));
  await batch.run(persistOr503);
  return changed() > 0 || entry() !== null ? after() : null;
}
