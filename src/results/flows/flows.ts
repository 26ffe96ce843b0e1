/** Flows: their rows, and their members by the ids that the row holds. */

import type { Source } from "../../core/flows/flow.ts";
import type { StoredSource } from "../../core/flows/share.ts";
import type { State } from "../../core/states.ts";
import type { Lived } from "../../core/timeline.ts";
import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";
import {
  addClaim,
  addRemembered,
  claimValues,
  IS_CLAIMED,
  type IdempotencyClaim,
  type Remembered,
} from "../idempotency.ts";
import { lanesAccept } from "../lanes/lanes.ts";
import { named } from "../named.ts";
import type { NewTask } from "../new-task.ts";
import { withLargePayloads } from "../read-tasks.ts";
import { addInsert, addRaised, demandSealed } from "../submit-tasks.ts";
import { TASK_COLUMNS, type WholeTaskRow } from "../task-row.ts";

export type FlowState = "running" | "succeeded" | "failed" | "cancelled";

/** A flow as it lies in D1. Instants are ms since the epoch. */
export interface FlowRow {
  id: string;
  tenant: string;
  state: FlowState;
  createdAt: number;
  finishedAt: number | null;
  cancelRequestedAt: number | null;
  /** When it must have ended. `overdue`: 1, it had not; 2, it had not, and all its members were stopped since. */
  deadline: number | null;
  overdue: number;
  /** Until when it is kept, with all of its members; null while it runs. */
  retainUntil: number | null;
  /** JSON text of a {@link Source}. */
  result: string;
}

/** A flow that is about to be stored, with all its tasks. */
export interface NewFlow {
  id: string;
  tenant: string;
  state: FlowState;
  createdAt: number;
  deadline: number | null;
  /** Until when it is kept where it has no tasks, and so has ended; null otherwise. */
  retainUntil: number | null;
  tasks: NewTask[];
  onError: NewTask[];
  result: Source;
  /** Values that several of its tasks take, each named by its index. */
  shared: StoredSource[];
}

/** A flow that was just stored, as its row, without asking D1 for it. */
export function newFlowRow({ id, tenant, state, createdAt, deadline, retainUntil, result }: NewFlow): FlowRow {
  const finishedAt = state === "running" ? null : createdAt;
  const row = { id, tenant, state, createdAt, finishedAt, cancelRequestedAt: null, deadline, overdue: 0, retainUntil };
  return { ...row, result: JSON.stringify(result) };
}

/** The columns of {@link FlowRow} for a SELECT from `flows`. */
export const FLOW_COLUMNS = `id, tenant, state, created_at AS createdAt, finished_at AS finishedAt,
  cancel_requested_at AS cancelRequestedAt, deadline, overdue, retain_until AS retainUntil, result`;

const insertFlowSql = (condition: string) => `
INSERT INTO flows (id, tenant, state, created_at, finished_at, ids, result, on_error, deadline, retain_until, sources)
SELECT :flowId, :tenant, :state, :createdAt, :finishedAt, jsonb(:ids), :result, :onError, :deadline, :retainUntil, jsonb(:sources)
WHERE ${lanesAccept(":lanes", ":createdAt")} AND ${condition}
ON CONFLICT DO NOTHING`;

const STORED = "SELECT 1 FROM flows WHERE id = :flowId";

/** With more tasks than this, writing the statements and sending them each take so long that others get a turn in between. */
const MANY_TASKS = 250;

/**
 * Stores a flow and its tasks, all or nothing: only if each of its lanes accepts and, with a key, no other request holds it. Answers
 * whether it is stored, what the key's holder has made, and the concurrency keys that have more slots now. Safe to repeat.
 */
export async function insertFlow(
  db: D1Database,
  flow: NewFlow,
  lanes: string[],
  claim?: IdempotencyClaim,
): Promise<{ stored: boolean; remembered: Remembered | null; raised: string[] }> {
  const takesTime = flow.tasks.length > MANY_TASKS;
  if (takesTime) await scheduler.wait(0);
  for (const task of flow.onError) demandSealed(task);
  const values = {
    ...(claim && claimValues(claim)),
    flowId: flow.id,
    tenant: flow.tenant,
    state: flow.state,
    createdAt: flow.createdAt,
    finishedAt: flow.state === "running" ? null : flow.createdAt,
    ids: JSON.stringify(flow.tasks.map((task) => task.id).toReversed()),
    result: JSON.stringify(flow.result),
    onError: flow.onError.length > 0 ? JSON.stringify(flow.onError) : null,
    deadline: flow.deadline,
    retainUntil: flow.retainUntil,
    lanes: JSON.stringify(lanes),
    sources: flow.shared.length > 0 ? JSON.stringify(flow.shared) : null,
  };
  const batch = new Batch(db);
  if (claim) addClaim(batch, db, claim);
  const raised = addRaised(batch, db, flow.tasks);
  batch.add(named(db, insertFlowSql(claim ? IS_CLAIMED : "true"), values));
  addInsert(batch, db, flow.tasks, { guard: `EXISTS (${STORED})`, values: { flowId: flow.id } });
  const remembered = claim && addRemembered(batch, db, claim);
  const stored = batch.first(named(db, STORED, values));
  if (takesTime) await scheduler.wait(0);
  await batch.run(persistOr503);
  return { stored: stored() !== null, remembered: remembered?.() ?? null, raised: raised() };
}

/** The tenant's flow, or null where it has none of this id. */
export async function readFlow(db: D1Database, tenant: string, id: string): Promise<FlowRow | null> {
  return persistOr503(() =>
    db.prepare(`SELECT ${FLOW_COLUMNS} FROM flows WHERE id = ?1 AND tenant = ?2`).bind(id, tenant).first<FlowRow>(),
  );
}

/** Members that one statement looks up: each is read twice, as an id and as a row. */
const LOOKED_UP = 2_000;

/** The rows that a query finds for these ids (its ?1, a JSON array), asked for in one transaction by statements of a bounded size. */
export async function lookUp<Row>(
  db: D1Database,
  ids: string[],
  sql: string,
  ...values: (string | number)[]
): Promise<Row[]> {
  const batch = new Batch(db);
  const parts: (() => Row[])[] = [];
  for (let i = 0; i < ids.length; i += LOOKED_UP) {
    parts.push(batch.rows(db.prepare(sql).bind(JSON.stringify(ids.slice(i, i + LOOKED_UP)), ...values)));
  }
  await batch.run(persistOr503);
  return parts.flatMap((rows) => rows());
}

/** The same in a transaction for each statement, so that a database on this machine serves others in between. */
async function lookUpInTurns<Row>(db: D1Database, ids: string[], sql: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let i = 0; i < ids.length; i += LOOKED_UP) {
    if (i > 0) await scheduler.wait(0);
    for (const row of await lookUp<Row>(db, ids.slice(i, i + LOOKED_UP), sql)) rows.push(row);
  }
  return rows;
}

/** Whether a task is among those that {@link lookUp} asks for. */
export const LOOKED_FOR = "id IN (SELECT value FROM json_each(?1))";

/** The ids of all members, those of the flow's last tasks first; null where the flow was removed. */
export async function readMemberIds(db: D1Database, flowId: string): Promise<string[] | null> {
  const ids = await persistOr503(() =>
    db.prepare("SELECT json(ids) AS ids FROM flows WHERE id = ?1").bind(flowId).first<string>("ids"),
  );
  return ids === null ? null : (JSON.parse(ids) as string[]);
}

/** Some of the members that no longer exist, though the flow does: only an earlier release has purged members one by one. */
export async function readMissing(db: D1Database, flowId: string): Promise<string[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(`SELECT member.value AS id FROM flows, ${MISSING} AND flows.id = ?1 LIMIT 100`)
      .bind(flowId)
      .all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}

/** Members of `flows` that no longer exist: the SQL after FROM. */
export const MISSING = `json_each(flows.ids) AS member LEFT JOIN tasks ON tasks.id = member.value WHERE tasks.id IS NULL`;

/** A member's size, from which follows how many members a page holds. */
export interface Outline {
  id: string;
  state: State;
  /** Of the columns whose size varies, without payloads in rows of their own. */
  bytes: number;
}

const VARYING = ["input", "result", "error", "progress", "history", "node"]
  .map((column) => `COALESCE(octet_length(${column}), 0)`)
  .join(" + ");

/** All members in the order of their ids, which is that of the graph. */
export async function readOutline(db: D1Database, flowId: string): Promise<Outline[]> {
  const ids = (await readMemberIds(db, flowId)) ?? [];
  const sql = `SELECT id, state, ${VARYING} AS bytes FROM tasks WHERE ${LOOKED_FOR}`;
  return inOrder(await lookUpInTurns<Outline>(db, ids, sql));
}

/** A member of a flow, with its place in the graph: JSON text. */
export interface Member extends WholeTaskRow {
  node: string | null;
}

/** These members, in the order of their ids. */
export async function readMembers(db: D1Database, ids: string[]): Promise<Member[]> {
  const sql = `SELECT ${TASK_COLUMNS}, tasks.input, tasks.result, json(tasks.node) AS node FROM tasks WHERE ${LOOKED_FOR}`;
  return withLargePayloads(db, inOrder(await lookUpInTurns<Member>(db, ids, sql)));
}

function inOrder<Row extends { id: string }>(rows: Row[]): Row[] {
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** What a member's timeline is made of, without its payloads. */
export type Life = Omit<Lived, "history"> & { id: string; nodeKey: string; history: string | null };

export async function readLives(db: D1Database, flowId: string): Promise<Life[]> {
  return lookUp<Life>(
    db,
    (await readMemberIds(db, flowId)) ?? [],
    `SELECT id, node_key AS nodeKey, state, run, attempt, history, created_at AS createdAt, run_at AS runAt,
       started_at AS startedAt, finished_at AS finishedAt, cancel_requested_at AS cancelRequestedAt,
       undo, flow_id AS flowId, parent_id AS parentId
     FROM tasks WHERE ${LOOKED_FOR}`,
  );
}

/** The id of the member at this place; null where there is none. */
export async function readMemberAt(db: D1Database, flowId: string, key: string): Promise<string | null> {
  const ids = (await readMemberIds(db, flowId)) ?? [];
  const sql = `SELECT id FROM tasks WHERE ${LOOKED_FOR} AND node_key = ?2`;
  return inOrder(await lookUp<{ id: string }>(db, ids, sql, key)).at(-1)?.id ?? null;
}

/** The tasks that run when the flow fails, as JSON text of a list of {@link NewTask}; null where there are none. */
export async function readErrorTasks(db: D1Database, flowId: string): Promise<string | null> {
  return persistOr503(() =>
    db.prepare("SELECT on_error FROM flows WHERE id = ?1").bind(flowId).first<string>("on_error"),
  );
}

/** Makes the flow end cancelled, whatever its members do from now on. */
export async function requestFlowCancel(
  db: D1Database,
  flowId: string,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const goesOn = "id = ?1 AND state = 'running' AND cancel_requested_at IS NULL";
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, `SELECT COUNT(*) FROM flows WHERE ${goesOn}`, [flowId]),
      db.prepare(`UPDATE flows SET cancel_requested_at = ?2 WHERE ${goesOn}`).bind(flowId, now),
    ]),
  );
}

/** The keys of tasks in their flow, by id. */
export async function readKeys(db: D1Database, ids: string[]): Promise<[id: string, key: string][]> {
  const sql = `SELECT id, node_key AS key FROM tasks WHERE ${LOOKED_FOR}`;
  return (await lookUp<{ id: string; key: string }>(db, ids, sql)).map((row) => [row.id, row.key]);
}
