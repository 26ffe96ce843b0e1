/** Stores new tasks: one statement for any number of them. */

import { byteLength } from "../core/byte-length.ts";
import type { KeyLimit } from "../core/concurrency.ts";
import { INLINE_PAYLOAD_BYTES, MAX_PARAM_BYTES } from "../core/bounds.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import { DRAINS, isDraining, laneAccepts, lanesAccept, type Drain } from "./lanes/drains.ts";
import type { NewTask } from "./new-task.ts";
import { INSERT, type StoredTask } from "./submission-columns.ts";
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

/** What the request that holds a key has made. `made` is JSON text. */
export interface Remembered {
  fingerprint: string;
  made: string;
  /** The API key whose request it was; null where that was not kept. */
  madeBy?: string | null;
  /** JSON array of the ids in `made` that the request did not make, but was answered with; null where there are none. */
  others?: string | null;
}

const REMEMBERED = `SELECT fingerprint, made, made_by AS madeBy, others FROM idempotency
WHERE tenant = ?1 AND key = ?2 AND expires_at > ?3`;

/** Makes the whole insert conditional on being the first with its key. */
export interface IdempotencyClaim extends Remembered {
  tenant: string;
  key: string;
  now: number;
  expiresAt: number;
  /** Lanes, each of which must accept. */
  lanes: string[];
}

const RAISED = `
SELECT limits.key FROM json_each(?1) AS wanted JOIN limits ON limits.key = wanted.value->>'key'
WHERE override IS NULL AND max < wanted.value->>'limit'`;

const OURS = `EXISTS (SELECT 1 FROM idempotency WHERE tenant = ?2 AND key = ?3 AND made = ?4)`;

/**
 * Stores new tasks, except those that a draining lane refuses. Safe to repeat with the same ids. With a key,
 * stores all or none: only if no other request holds the key, and no lane refuses any of them.
 */
export async function insertTasks(db: D1Database, tasks: NewTask[], claim?: IdempotencyClaim): Promise<Inserted> {
  const condition = claim ? { guard: OURS, values: [claim.tenant, claim.key, claim.made] } : ACCEPTED_AND_TOLD;
  const { statements, remembered } = insertStatements(db, tasks, claim, raisedStatements(db, tasks), condition);
  if (statements.length === 0) return { remembered: null, refused: new Map(), raised: [] };
  const results = await persistOr503(() => db.batch(statements));
  const raised = raisedIn(results, tasks, claim);
  if (remembered !== null) {
    return { remembered: rowsOf<Remembered>(results, remembered)[0] ?? null, refused: new Map(), raised };
  }
  const stored = new Set(results.flatMap((_, i) => rowsOf<{ id?: string }>(results, i).map(({ id }) => id)));
  const left = tasks.filter(({ id }) => !stored.has(id));
  return { remembered: null, refused: left.length === 0 ? new Map() : await insertLeft(db, left), raised };
}

/**
 * Stores the tasks once more that the first call did not report as stored: their lane refuses them, or an earlier try of that
 * call has stored them. Answers which are refused, read in the transaction that refuses them.
 */
async function insertLeft(db: D1Database, tasks: NewTask[]): Promise<ReadonlyMap<string, Drain>> {
  const { statements } = insertStatements(db, tasks, undefined, [], ACCEPTED);
  const ids = JSON.stringify(tasks.map(({ id }) => id));
  const results = await persistOr503(() =>
    db.batch([
      ...statements,
      db.prepare(DRAINS),
      db.prepare("SELECT id FROM tasks WHERE id IN (SELECT value FROM json_each(?1))").bind(ids),
    ]),
  );
  const drains = rowsOf<Drain>(results, statements.length);
  const stored = new Set(rowsOf<{ id: string }>(results, statements.length + 1).map(({ id }) => id));
  const refused = new Map<string, Drain>();
  for (const { id, lane, createdAt } of tasks) {
    const drain = drains.find((each) => each.name === lane && isDraining(each, createdAt));
    if (drain && !stored.has(id)) refused.set(id, drain);
  }
  return refused;
}

/** To be run before the tasks are stored: reads which of their concurrency keys get more slots by them. */
export function raisedStatements(db: D1Database, tasks: NewTask[]): D1PreparedStatement[] {
  const limits = limitsOf(tasks);
  return limits.length === 0 ? [] : [db.prepare(RAISED).bind(JSON.stringify(limits))];
}

/** The answer to {@link raisedStatements}, which came first in the batch, or second after the key's claim. */
export function raisedIn(results: D1Result[], tasks: NewTask[], claim?: IdempotencyClaim): string[] {
  if (tasks.every((task) => !task.concurrency)) return [];
  return rowsOf<{ key: string }>(results, claim ? 1 : 0).map((row) => row.key);
}

/** The limits that will hold: the last one for each key. */
function limitsOf(tasks: NewTask[]): KeyLimit[] {
  const all = tasks.flatMap(({ concurrency }) => (concurrency ? (JSON.parse(concurrency) as KeyLimit[]) : []));
  return [...new Map(all.map((each) => [each.key, each])).values()];
}

/** What must hold for anything to be stored: SQL whose parameters begin with ?2. */
export interface Condition {
  /** May refer to the task as the JSON object `v`, where there is a `payloadGuard`, which must not. */
  guard: string;
  /** The same for a large input of the task ?1. */
  payloadGuard?: string;
  values: (string | number)[];
  /** The statements answer the ids of the rows that they store. */
  told?: boolean;
}

const ALWAYS: Condition = { guard: "true", values: [] };

/** New tasks: not for a lane that drains. */
export const ACCEPTED = {
  guard: laneAccepts("v->>'lane'", "v->>'createdAt'"),
  payloadGuard: "EXISTS (SELECT 1 FROM tasks WHERE id = ?1 AND overflow <> 0)",
  values: [],
} satisfies Condition;

const ACCEPTED_AND_TOLD: Condition = { ...ACCEPTED, told: true };

/** The same as statements for one batch; `remembered` is the index of the key's answer in it. `also` is stored with the tasks. */
export function insertStatements(
  db: D1Database,
  tasks: NewTask[],
  claim?: IdempotencyClaim,
  also: D1PreparedStatement[] = [],
  condition: Condition = ALWAYS,
): { statements: D1PreparedStatement[]; remembered: number | null } {
  const { guard, payloadGuard = guard, values, told = false } = condition;
  const insert = `${INSERT} WHERE ${guard} ON CONFLICT DO NOTHING${told ? " RETURNING id" : ""}`;
  const statements = [...(claim ? [claimKey(db, claim)] : []), ...also];
  for (const chunk of chunksOf(tasks)) {
    statements.push(db.prepare(insert).bind(chunk, ...values));
  }
  for (const task of tasks.filter(overflows)) {
    statements.push(
      db
        .prepare(
          `INSERT INTO payloads (task_id, kind, body)
           SELECT ?1, 'input', ?${values.length + 2} WHERE ${payloadGuard} ON CONFLICT DO NOTHING`,
        )
        .bind(task.id, ...values, task.input),
    );
  }
  if (!claim) return { statements, remembered: null };
  statements.push(db.prepare(REMEMBERED).bind(claim.tenant, claim.key, claim.now));
  return { statements, remembered: statements.length - 1 };
}

/** What the request that holds this key has made; null while the key is free. */
export async function readRemembered(
  db: D1Database,
  tenant: string,
  key: string,
  now: number,
): Promise<Remembered | null> {
  return persistOr503(() => db.prepare(REMEMBERED).bind(tenant, key, now).first<Remembered>());
}

/** Takes the key if it is free or its time is over, and each of the lanes accepts. */
function claimKey(db: D1Database, claim: IdempotencyClaim): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO idempotency (tenant, key, fingerprint, made, expires_at, made_by, others)
       SELECT ?1, ?2, ?3, ?4, ?5, ?8, ?9 WHERE ${lanesAccept("?7", "?6")}
       ON CONFLICT (tenant, key) DO UPDATE SET fingerprint = ?3, made = ?4, expires_at = ?5, made_by = ?8, others = ?9
         WHERE expires_at <= ?6`,
    )
    .bind(
      claim.tenant,
      claim.key,
      claim.fingerprint,
      claim.made,
      claim.expiresAt,
      claim.now,
      JSON.stringify(claim.lanes),
      claim.madeBy ?? null,
      claim.others ?? null,
    );
}

/** Whether the input is too large for the row. */
export function overflows(task: NewTask): boolean {
  return (
    task.input !== null && task.input.length > INLINE_PAYLOAD_BYTES / 2 && byteLength(task.input) > INLINE_PAYLOAD_BYTES
  );
}

/** The task as the statements read it. */
export function storedText(task: NewTask): string {
  const apart = overflows(task);
  return JSON.stringify({
    ...task,
    overflow: apart ? OVERFLOW.input : 0,
    input: apart ? null : task.input,
  } satisfies Partial<StoredTask>);
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
