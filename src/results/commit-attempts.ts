/** Ends attempts: one transaction for all that ended together. */

import { BELL_MS, INLINE_PAYLOAD_BYTES, MAX_HISTORY, MAX_PARAM_BYTES } from "../core/bounds.ts";
import { groupOf } from "../core/error-groups.ts";
import type { WaitCause } from "../core/series.ts";
import type { Outcome, Settlement } from "../core/settle.ts";
import { sqlStates, TERMINAL_STATES, type State } from "../core/states.ts";
import type { AttemptRecord } from "../core/timeline.ts";
import { Batch, persist } from "./d1.ts";
import { OBJECT } from "../core/wake.ts";
import { cancelledError, endColumns, undoing } from "./ended.ts";
import { byteLength } from "../core/byte-length.ts";
import { owedStatement, type OwedId } from "./webhooks/owed.ts";
import { addRelease, type Released } from "./flows/release.ts";
import { IS_STILL_LOST } from "./rescue-tasks.ts";
import { SUSPEND } from "./suspend-tasks.ts";
import { OVERFLOW } from "./task-row.ts";

/** An attempt's end, ready to be written. Instants are ms since the epoch. */
export interface Commit extends Settlement {
  id: string;
  /** The fencing token: the row must still be in this attempt. */
  attempt: number;
  startedAt: number;
  at: number;
  /** JSON text of the last progress, null where there was none. */
  progress: string | null;
  /** Bits to add to the row's `object`. */
  object: number;
  /** Given by a rescue: the lease that ran out, which must not have been renewed since. */
  leaseUntil?: number | null;
  /** Its end may release others: it is a member of a flow, or another task's child. */
  mayRelease: boolean;
  /** JSON of the keys under which its end frees a slot; null where it has none. */
  concurrency?: string | null;
  /** The task's name and tags (JSON text), for the group of its failure; absent where an end cannot be a failure. */
  task?: string;
  tags?: string | null;
  /** The limit that may have held the attempt back; null where it has none. */
  limitedBy?: WaitCause | null;
}

/** What a commit has done. */
export interface CommitAnswer {
  /** The commits that hold; a missing one was fenced: its task is in another attempt, or has ended. */
  held: Committed[];
  /** Members of flows that now have all they need. */
  released: Released[];
  /** Ended tasks that webhooks must be told of. */
  owed: OwedId[];
}

/** A commit that holds. */
export interface Committed {
  id: string;
  tenant: string;
  task: string;
  state: State;
  lane: string;
  attempt: number;
  dueAt: number | null;
  object: number;
  /** Of the attempt, as it stands in the task's history. */
  runAt: number;
  startedAt: number;
  finishedAt: number;
  outcome: Outcome;
  /** 1: it has ended, and a webhook must be told. */
  owes: 0 | 1;
}

// A task whose steps are being undone is not cancelled: the undoing is how a cancel ends.
const CANCELLED = "(tasks.cancel_requested_at IS NOT NULL AND tasks.undo IS NULL)";

// A task that fails, or is cancelled with `undo`, first has its steps undone.
const UNDOES = `(tasks.object & ${OBJECT.undo} AND tasks.undo IS NULL
  AND CASE WHEN ${CANCELLED} THEN tasks.cancel_undo ELSE v.state = 'failed' END)`;

const ENDS = `(NOT ${UNDOES} AND (${CANCELLED} OR v.state IN ${sqlStates(TERMINAL_STATES)}))`;

// Each settlement's JSON is parsed once, and each of its members is read once however often the statement names it: without the
// LIMITs, SQLite would merge the SELECTs into the UPDATE, and take them from the text again in every place.
const SETTLEMENTS = `(
  SELECT value->>'id' AS id, value->>'attempt' AS attempt, value->>'state' AS state, value->>'at' AS at,
    value->>'runAt' AS run_at, value->>'dueAt' AS due_at, value->>'failures' AS failures,
    value->>'crashes' AS crashes, value->>'error' AS error, value->>'record' AS record,
    value->>'progress' AS progress, value->>'object' AS object, value->>'result' AS result,
    value->>'overflow' AS overflow, value->>'group' AS error_group, value->>'leaseUntil' AS lease_until, value->'wait' AS wait, value->>'sealed' AS sealed
  FROM (SELECT jsonb(value) AS value FROM json_each(?1) LIMIT -1) LIMIT -1) AS v`;

const GUARD = `tasks.id = v.id AND tasks.state = 'running' AND tasks.attempt = v.attempt AND ${IS_STILL_LOST}`;

const END = endColumns("v.at", "(tasks.object | v.object)");

/** Whether the trigger `tasks_owe` puts the end of a row of `tasks` into the outbox. */
const IS_OWED = `(tasks.state IN ${sqlStates(TERMINAL_STATES)} AND (
  tasks.options->>'$.webhook' IS NOT NULL
    AND instr(COALESCE(tasks.options->>'$.webhook.events', '"task.' || tasks.state || '"'), '"task.' || tasks.state || '"')
  OR EXISTS (SELECT 1 FROM webhooks
    WHERE webhooks.tenant = tasks.tenant AND webhooks.paused = 0 AND instr(webhooks.events, '"task.' || tasks.state || '"'))))`;

// The last entry of the row's history is the record of this attempt.
const COMMITTED_COLUMNS = `tasks.id, tasks.tenant, tasks.task, tasks.state, tasks.lane, tasks.attempt, tasks.due_at AS dueAt,
  tasks.object, tasks.history->'$[#-1]'->>'runAt' AS runAt, tasks.history->'$[#-1]'->>'startedAt' AS startedAt,
  tasks.history->'$[#-1]'->>'finishedAt' AS finishedAt, tasks.history->'$[#-1]'->>'outcome' AS outcome, ${IS_OWED} AS owes`;

// Whatever a handler does after its task was asked to stop, the task is cancelled.
const COMMIT = `
UPDATE tasks SET
  state = CASE WHEN ${UNDOES} THEN 'queued' WHEN ${CANCELLED} THEN 'cancelled' ELSE ${SUSPEND.state} END,
  run_at = CASE WHEN ${UNDOES} THEN v.at ELSE ${SUSPEND.run_at} END,
  waiting_for = CASE WHEN ${CANCELLED} THEN NULL ELSE ${SUSPEND.waiting_for} END,
  undo = CASE
    WHEN ${UNDOES} AND ${CANCELLED} THEN ${undoing("'cancelled'", cancelledError("tasks.cancel_reason"))}
    WHEN ${UNDOES} THEN ${undoing("'failed'", "v.error")}
    WHEN ${ENDS} THEN NULL ELSE tasks.undo END,
  failures = v.failures,
  crashes = CASE WHEN ${UNDOES} THEN 0 ELSE v.crashes END,
  lease_until = NULL,
  finished_at = CASE WHEN ${ENDS} THEN ${END.finished_at} END,
  retain_until = CASE WHEN ${ENDS} THEN ${END.retain_until} END,
  due_at = CASE WHEN ${ENDS} THEN ${END.due_at}
    WHEN ${UNDOES} THEN v.at + ${BELL_MS} ELSE ${SUSPEND.due_at} END,
  object = tasks.object | v.object,
  history = json_insert(
    CASE WHEN json_array_length(tasks.history) >= ${MAX_HISTORY} THEN json_remove(tasks.history, '$[1]')
      ELSE COALESCE(tasks.history, '[]') END,
    '$[#]',
    json_set(v.record, '$.run', tasks.run, '$.runAt', tasks.run_at,
      '$.outcome', CASE WHEN ${CANCELLED} THEN 'cancelled' ELSE v.record->>'outcome' END,
      '$.to', CASE WHEN ${UNDOES} THEN 'queued' WHEN ${CANCELLED} THEN 'cancelled' ELSE v.record->>'to' END)),
  progress = COALESCE(v.progress, tasks.progress),
  error = CASE WHEN ${UNDOES} THEN NULL WHEN ${CANCELLED} THEN ${cancelledError("tasks.cancel_reason")} ELSE v.error END,
  error_group = CASE WHEN ${CANCELLED} THEN NULL ELSE v.error_group END,
  overflow = CASE WHEN ${CANCELLED} THEN tasks.overflow ELSE tasks.overflow | v.overflow END,
  result = CASE WHEN ${CANCELLED} THEN NULL ELSE v.result END,
  sealed_result = CASE WHEN ${CANCELLED} THEN NULL ELSE v.sealed END
FROM ${SETTLEMENTS}
WHERE ${GUARD}
RETURNING ${COMMITTED_COLUMNS}`;

const LARGE_RESULT = `
INSERT INTO payloads (task_id, kind, body)
SELECT id, 'result', ?3 FROM tasks
WHERE id = ?1 AND attempt = ?2 AND state = 'running' AND cancel_requested_at IS NULL
ON CONFLICT DO UPDATE SET body = excluded.body`;

// A commit that is repeated, because its answer was lost, is recognised by the record that it has left.
const HELD = `
SELECT ${COMMITTED_COLUMNS}
FROM tasks, ${SETTLEMENTS}
WHERE tasks.id = v.id AND tasks.attempt = v.attempt AND tasks.state <> 'running'
  AND tasks.history->'$[#-1]'->>'number' = v.attempt AND tasks.history->'$[#-1]'->>'finishedAt' = v.at`;

/**
 * Writes the ends of running attempts, all or none of a chunk. Safe to repeat. A chunk whose ends release nothing is one
 * statement, and one more where some do not hold: they were fenced, or an earlier call has written them.
 */
export async function commitAttempts(db: D1Database, commits: Commit[]): Promise<CommitAnswer> {
  const answer: CommitAnswer = { held: [], released: [], owed: [] };
  for (const chunk of chunksOf(commits)) {
    const { held, released, owed } = await commitChunk(db, chunk);
    answer.held.push(...held);
    answer.released.push(...released);
    answer.owed.push(...owed);
  }
  return answer;
}

async function commitChunk(db: D1Database, chunk: Entry[]): Promise<CommitAnswer> {
  const list = `[${chunk.map((entry) => entry.text).join(",")}]`;
  const large = chunk.filter((entry) => entry.apart !== null);
  const releasing = chunk.filter((entry) => entry.value.mayRelease);
  const commit = db.prepare(COMMIT).bind(list);
  const batch = new Batch(db);
  for (const { value, apart } of large) batch.add(db.prepare(LARGE_RESULT).bind(value.id, value.attempt, apart));
  const committed = batch.rows<Committed>(commit);
  const at = Math.max(...chunk.map((entry) => entry.value.at));
  const released = releasing.length === 0 ? () => [] : addRelease(batch, db, idList(releasing), at);
  // Includes the ends of other tasks in consequence.
  const owed = releasing.length === 0 ? null : batch.rows<OwedId>(owedStatement(db, idList(chunk), at));
  await batch.runTogether(persist);
  const held = await allHeld(db, chunk, list, committed());
  return {
    held,
    released: released(),
    owed: owed?.() ?? held.filter(({ owes }) => owes === 1).map(({ id }) => ({ id })),
  };
}

/** The commits that hold: those that the call has written, and those that an earlier try of it had. */
async function allHeld(db: D1Database, chunk: Entry[], list: string, written: Committed[]): Promise<Committed[]> {
  if (written.length === chunk.length) return written;
  return (await persist(() => db.prepare(HELD).bind(list).all<Committed>())).results;
}

function idList(entries: Entry[]): string {
  return JSON.stringify(entries.map((entry) => entry.value.id));
}

interface Entry {
  value: Record<string, unknown> & { id: string; attempt: number; at: number; mayRelease: boolean };
  /** The value as JSON. */
  text: string;
  /** A result that does not go into the row. */
  apart: string | null;
  /** Of the value, and of the result that does not go into the row. */
  bytes: number;
}

/** Longest record of an attempt: a row with a full history and all else stays below D1's 2 MB. */
const MAX_RECORD_BYTES = 16_384;

/** Characters that a longer record keeps of its error's message. */
const SHORT_MESSAGE = 1_000;

type NewRecord = Omit<AttemptRecord, "run" | "runAt">;

function recordText(record: NewRecord): string {
  const text = JSON.stringify(record);
  const { error } = record;
  if (error === null || text.length <= MAX_RECORD_BYTES / 3 || byteLength(text) <= MAX_RECORD_BYTES) return text;
  const { type, message } = error;
  return JSON.stringify({ ...record, error: { type, message: `${message.slice(0, SHORT_MESSAGE)}…` } });
}

function entryOf(commit: Commit): Entry {
  const {
    result,
    error,
    attemptError,
    outcome,
    startedAt,
    task,
    concurrency: _,
    tags: __,
    limitedBy: ___,
    inVain,
    ...rest
  } = commit;
  const size = result === null ? 0 : byteLength(result);
  const apart = size > INLINE_PAYLOAD_BYTES ? result : null;
  // `run` and `runAt` are read from the row when the record is stored.
  const record: NewRecord = {
    number: commit.attempt,
    outcome,
    error: attemptError,
    startedAt,
    finishedAt: commit.at,
    to: commit.state,
    ...(inVain === undefined ? {} : { inVain }),
  };
  const value = {
    ...rest,
    error: error === null ? null : JSON.stringify(error),
    ...(error !== null && task !== undefined && commit.state === "failed" ? { group: groupOf(task, error).id } : {}),
    record: recordText(record),
    result: apart === null ? result : null,
    overflow: apart === null ? 0 : OVERFLOW.result,
  };
  const text = JSON.stringify(value);
  return { value, text, apart, bytes: byteLength(text) + (apart === null ? 0 : size) };
}

function chunksOf(commits: Commit[]): Entry[][] {
  const chunks: Entry[][] = [];
  let chunk: Entry[] = [];
  let size = 0;
  for (const commit of commits) {
    const entry = entryOf(commit);
    if (chunk.length > 0 && size + entry.bytes > MAX_PARAM_BYTES) {
      chunks.push(chunk);
      chunk = [];
      size = 0;
    }
    chunk.push(entry);
    size += entry.bytes;
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}

const LATE = `
UPDATE tasks SET history = json_set(history,
  '$[' || (SELECT key FROM json_each(tasks.history) WHERE value->>'number' = ?2) || '].late', json(?3))
WHERE id = ?1 AND EXISTS (SELECT 1 FROM json_each(tasks.history)
  WHERE value->>'number' = ?2 AND value->'late' IS NULL)`;

/** Notes in the task's history what a fenced handler did after its attempt had ended. */
export async function noteLateEnd(
  db: D1Database,
  id: string,
  attempt: number,
  late: AttemptRecord["late"],
): Promise<void> {
  await persist(() => db.prepare(LATE).bind(id, attempt, JSON.stringify(late)).run());
}
