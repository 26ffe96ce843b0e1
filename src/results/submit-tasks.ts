/** Stores new tasks: one statement for any number of them. */

import { byteLength } from "../core/byte-length.ts";
import type { KeyLimit } from "../core/concurrency.ts";
import { INLINE_PAYLOAD_BYTES, MAX_PARAM_BYTES } from "../core/bounds.ts";
import { Batch, persistOr503 } from "./d1.ts";
import {
  addClaim,
  addRemembered,
  claimValues,
  IS_CLAIMED,
  type IdempotencyClaim,
  type Remembered,
} from "./idempotency.ts";
import { drainsAmong, LANE_MODES, laneAccepts, type Drain, type LaneRow } from "./lanes/lanes.ts";
import { named, type Values } from "./named.ts";
import type { NewTask } from "./new-task.ts";
import { addIndex } from "./search.ts";
import { insertSql, type StoredTask } from "./submission-columns.ts";
import { OVERFLOW } from "./task-row.ts";

/** What became of tasks that were to be stored. */
export interface Inserted {
  /** What the request that holds the key has made; null without a key, and where nothing was stored because a lane accepts nothing. */
  remembered: Remembered | null;
  /** Without a key: the drains that refused tasks, by the tasks' ids. */
  refused: ReadonlyMap<string, Drain>;
  /** Concurrency keys that have more slots now than before. */
  raised: string[];
}

/**
 * Stores new tasks, except those that a draining lane refuses. Safe to repeat with the same ids. With a key,
 * stores all or none: only if no other request holds the key, and no lane refuses any of them.
 */
export async function insertTasks(db: D1Database, tasks: NewTask[], claim?: IdempotencyClaim): Promise<Inserted> {
  const batch = new Batch(db);
  if (claim) addClaim(batch, db, claim);
  const raised = addRaised(batch, db, tasks);
  const condition = claim ? { guard: IS_CLAIMED, values: claimValues(claim) } : ACCEPTED;
  const stored = addInsert(batch, db, tasks, condition, { isTold: !claim });
  const remembered = claim && addRemembered(batch, db, claim);
  await batch.runTogether(persistOr503);
  if (remembered) return { remembered: remembered(), refused: new Map(), raised: raised() };
  const told = new Set(stored());
  const left = tasks.filter(({ id }) => !told.has(id));
  const refused = left.length === 0 ? new Map<string, Drain>() : await insertLeft(db, left);
  return { remembered: null, refused, raised: raised() };
}

/**
 * Stores the tasks once more that the first call did not report as stored: their lane refuses them, or an earlier try of that
 * call has stored them. Answers which are refused, read in the transaction that refuses them.
 */
async function insertLeft(db: D1Database, tasks: NewTask[]): Promise<Map<string, Drain>> {
  const batch = new Batch(db);
  addInsert(batch, db, tasks, ACCEPTED);
  const lanes = batch.rows<LaneRow>(db.prepare(LANE_MODES));
  const ids = JSON.stringify(tasks.map(({ id }) => id));
  const rows = batch.rows<{ id: string }>(
    db.prepare("SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?1))").bind(ids),
  );
  await batch.run(persistOr503);
  const stored = new Set(rows().map(({ id }) => id));
  const refused = new Map<string, Drain>();
  for (const { id, lane, createdAt } of tasks) {
    const drain = drainsAmong(lanes(), createdAt).find((each) => each.name === lane);
    if (drain && !stored.has(id)) refused.set(id, drain);
  }
  return refused;
}

const RAISED = `
SELECT limits.key FROM json_each(?1) AS wanted JOIN limits ON limits.key = wanted.value->>'key'
WHERE override IS NULL AND max < wanted.value->>'limit'`;

/** Reads which concurrency keys get more slots by these tasks. Comes before the tasks are stored. */
export function addRaised(batch: Batch, db: D1Database, tasks: NewTask[]): () => string[] {
  const limits = limitsOf(tasks);
  if (limits.length === 0) return () => [];
  const rows = batch.rows<{ key: string }>(db.prepare(RAISED).bind(JSON.stringify(limits)));
  return () => rows().map((row) => row.key);
}

/** The limits that will hold: the last one for each key. */
function limitsOf(tasks: NewTask[]): KeyLimit[] {
  const all = tasks.flatMap(({ concurrency }) => (concurrency ? (JSON.parse(concurrency) as KeyLimit[]) : []));
  return [...new Map(all.map((each) => [each.key, each])).values()];
}

/** What must hold for a task to be stored: SQL. */
export interface Condition {
  /** May refer to the task as the JSON object `v`, where there is a `payloadGuard`, which must not. */
  guard: string;
  /** The same for a large input of the task `:taskId`. */
  payloadGuard?: string;
  /** What both refer to by name. */
  values: Values;
}

const ALWAYS: Condition = { guard: "true", values: {} };

/** New tasks: not for a lane that drains. */
export const ACCEPTED = {
  guard: laneAccepts("v->>'lane'", "v->>'createdAt'"),
  payloadGuard: "EXISTS (SELECT 1 FROM tasks WHERE id = :taskId AND overflow <> 0)",
  values: {},
} satisfies Condition;

// Each task's JSON is parsed once: without the LIMIT, which keeps the inner SELECT from being merged into the outer one, SQLite
// would parse it for every column.
const INSERT = insertSql("SELECT jsonb(value) AS v FROM json_each(:tasks) LIMIT -1");

/**
 * Stores these tasks in a transaction, where the condition holds and unless they are there. With `isTold` the returned function
 * gives the ids of those that the transaction has stored.
 */
export function addInsert(
  batch: Batch,
  db: D1Database,
  tasks: NewTask[],
  { guard, payloadGuard = guard, values }: Condition = ALWAYS,
  { isTold = false } = {},
): () => string[] {
  addIndex(batch, db, tasks);
  const insert = `${INSERT} WHERE ${guard} ON CONFLICT DO NOTHING${isTold ? " RETURNING id" : ""}`;
  const stored = chunksOf(tasks).map((chunk) =>
    batch.rows<{ id: string }>(named(db, insert, { ...values, tasks: chunk })),
  );
  const insertPayload = `
INSERT INTO payloads (task_id, kind, body) SELECT :taskId, 'input', :payload WHERE ${payloadGuard} ON CONFLICT DO NOTHING`;
  for (const { id, input } of tasks.filter(overflows)) {
    batch.add(named(db, insertPayload, { ...values, taskId: id, payload: input }));
  }
  return () => stored.flatMap((rows) => rows().map((row) => row.id));
}

/** Whether the input is too large for the row. */
export function overflows(task: NewTask): boolean {
  return (
    task.input !== null && task.input.length > INLINE_PAYLOAD_BYTES / 2 && byteLength(task.input) > INLINE_PAYLOAD_BYTES
  );
}

/** The task as the statements read it. A member that is not there is read as NULL. */
export function storedText(task: NewTask): string {
  const apart = overflows(task);
  const stored: Partial<StoredTask> = {
    ...task,
    overflow: apart ? OVERFLOW.input : 0,
    input: apart ? null : task.input,
  };
  return JSON.stringify(Object.fromEntries(Object.entries(stored).filter(([, value]) => value !== null)));
}

/** The tasks as JSON parameters, each below what D1 takes. */
function chunksOf(tasks: NewTask[]): string[] {
  const chunks: string[] = [];
  let items: string[] = [];
  let size = 0;
  for (const task of tasks) {
    demandSealed(task);
    const item = storedText(task);
    const bytes = byteLength(item);
    if (size + bytes > MAX_PARAM_BYTES && items.length > 0) {
      chunks.push(`[${items.join(",")}]`);
      items = [];
      size = 0;
    }
    items.push(item);
    size += bytes;
  }
  if (items.length > 0) chunks.push(`[${items.join(",")}]`);
  return chunks;
}

/** Throws where a task's secrets were not sealed. Every way to store a task checks this. */
export function demandSealed({ secrets, sealed }: NewTask): void {
  if (secrets !== undefined && sealed === undefined) throw new TypeError("a task with secrets was not sealed");
}
