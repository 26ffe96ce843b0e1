/** Flows: their rows, and their members by the ids that the row holds. */

import type { Source } from "../core/flow.ts";
import type { State } from "../core/states.ts";
import type { Lived } from "../core/timeline.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import { lanesAccept } from "./drains.ts";
import {
  insertStatements,
  raisedIn,
  raisedStatements,
  type IdempotencyClaim,
  type NewTask,
  type Remembered,
} from "./insert-tasks.ts";
import { withLargePayloads } from "./read-tasks.ts";
import { TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

export type FlowState = "running" | "succeeded" | "failed" | "cancelled";

/** A flow as it lies in D1. Instants are ms since the epoch. */
export interface FlowRow {
  id: string;
  tenant: string;
  state: FlowState;
  createdAt: number;
  finishedAt: number | null;
  cancelRequestedAt: number | null;
  /** When it must have ended, and whether (1, 2) it had not. */
  deadline: number | null;
  overdue: number;
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
  tasks: NewTask[];
  onError: NewTask[];
  result: Source;
}

/** The columns of {@link FlowRow} for a SELECT from `flows`. */
export const FLOW_COLUMNS = `id, tenant, state, created_at AS createdAt, finished_at AS finishedAt,
  cancel_requested_at AS cancelRequestedAt, deadline, overdue, result`;

const INSERT = `
INSERT INTO flows (id, tenant, state, created_at, finished_at, ids, result, on_error, deadline)
SELECT ?1, ?2, ?3, ?4, ?5, jsonb(?6), ?7, ?8, ?9 WHERE ${lanesAccept("?10", "?4")}`;

/**
 * Stores a flow and its tasks, all or nothing: only if each of its lanes accepts and, with a key, nobody holds it. Answers
 * whether it is stored, what the key's holder has made, and the concurrency keys that have more places now. Safe to repeat.
 */
export async function insertFlow(
  db: D1Database,
  flow: NewFlow,
  lanes: string[],
  claim?: IdempotencyClaim,
): Promise<{ stored: boolean; remembered: Remembered | null; raised: string[] }> {
  const finishedAt = flow.state === "running" ? null : flow.createdAt;
  const ids = JSON.stringify(flow.tasks.map((task) => task.id).toReversed());
  const onError = flow.onError.length > 0 ? JSON.stringify(flow.onError) : null;
  const values = [
    flow.id,
    flow.tenant,
    flow.state,
    flow.createdAt,
    finishedAt,
    ids,
    JSON.stringify(flow.result),
    onError,
    flow.deadline,
    JSON.stringify(lanes),
  ];
  const insert = claim
    ? db
        .prepare(
          `${INSERT} AND EXISTS (SELECT 1 FROM idempotency WHERE tenant = ?11 AND key = ?12 AND made = ?13)
           ON CONFLICT DO NOTHING`,
        )
        .bind(...values, claim.tenant, claim.key, claim.made)
    : db.prepare(`${INSERT} ON CONFLICT DO NOTHING`).bind(...values);
  const isStored = { guard: "EXISTS (SELECT 1 FROM flows WHERE id = ?2)", values: [flow.id] };
  const { statements, remembered } = insertStatements(
    db,
    flow.tasks,
    claim,
    [...raisedStatements(db, flow.tasks), insert],
    isStored,
  );
  const stored = db.prepare("SELECT 1 FROM flows WHERE id = ?1").bind(flow.id);
  const results = await persistOr503(() => db.batch([...statements, stored]));
  return {
    stored: rowsOf(results, statements.length).length > 0,
    remembered: remembered === null ? null : (rowsOf<Remembered>(results, remembered)[0] ?? null),
    raised: raisedIn(results, flow.tasks, claim),
  };
}

/** The tenant's flow, or null where it has none of this id. */
export async function readFlow(db: D1Database, tenant: string, id: string): Promise<FlowRow | null> {
  return persistOr503(() =>
    db.prepare(`SELECT ${FLOW_COLUMNS} FROM flows WHERE id = ?1 AND tenant = ?2`).bind(id, tenant).first<FlowRow>(),
  );
}

/** A member of a flow, with what its row alone does not show. */
export interface Member extends WholeTaskRow {
  node: string | null;
  /** How many come after it. */
  after: number;
}

/** Bytes of what varies in the rows of one page, payloads in rows of their own aside: a Worker has 128 MB for all it does. */
const PAGE_BYTES = 8_388_608;

const VARYING = ["input", "result", "error", "progress", "history", "node"]
  .map((column) => `COALESCE(octet_length(${column}), 0)`)
  .join(" + ");

export const MEMBERS = `(SELECT member.value FROM flows, json_each(flows.ids) AS member WHERE flows.id = ?1)`;

/** Members in the order of their ids, which is that of the graph, after `cursor`: as many as are light enough, and at least one. */
export async function readMembers(db: D1Database, flowId: string, cursor: string, limit: number): Promise<Member[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT ${TASK_COLUMNS}, tasks.input, tasks.result, json(tasks.node) AS node, place.after FROM (
           SELECT id, COUNT(*) OVER (ORDER BY id DESC) - 1 AS after,
             SUM(${VARYING}) OVER (ORDER BY id) - (${VARYING}) AS before
           FROM tasks WHERE id IN ${MEMBERS} AND id > ?2) AS place
         JOIN tasks ON tasks.id = place.id
         WHERE place.before < ${PAGE_BYTES} ORDER BY tasks.id LIMIT ?3`,
      )
      .bind(flowId, cursor, limit)
      .all<Member>(),
  );
  return withLargePayloads(db, results);
}

/** What a member's timeline is made of, without its payloads. */
export type Life = Omit<Lived, "history"> & { id: string; nodeKey: string; history: string | null };

export async function readLives(db: D1Database, flowId: string): Promise<Life[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT id, node_key AS nodeKey, state, run, attempt, history, created_at AS createdAt, run_at AS runAt,
           started_at AS startedAt, finished_at AS finishedAt, cancel_requested_at AS cancelRequestedAt,
           undo, flow_id AS flowId, parent_id AS parentId
         FROM tasks WHERE id IN ${MEMBERS}`,
      )
      .bind(flowId)
      .all<Life>(),
  );
  return results;
}

/** How many members are in each state. */
export async function countMembers(db: D1Database, flowId: string): Promise<Partial<Record<State, number>>> {
  const { results } = await persistOr503(() =>
    db
      .prepare(`SELECT state, COUNT(*) AS count FROM tasks WHERE id IN ${MEMBERS} GROUP BY state`)
      .bind(flowId)
      .all<{ state: State; count: number }>(),
  );
  return Object.fromEntries(results.map((row) => [row.state, row.count]));
}

/** The ids of all members. */
export async function readMemberIds(db: D1Database, flowId: string): Promise<string[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare("SELECT member.value AS id FROM flows, json_each(flows.ids) AS member WHERE flows.id = ?1")
      .bind(flowId)
      .all<{ id: string }>(),
  );
  return results.map((row) => row.id);
}

/** The id of the member at this place; null where there is none. */
export async function readMemberAt(db: D1Database, flowId: string, key: string): Promise<string | null> {
  return persistOr503(() =>
    db
      .prepare(`SELECT id FROM tasks WHERE id IN ${MEMBERS} AND node_key = ?2 ORDER BY id DESC LIMIT 1`)
      .bind(flowId, key)
      .first<string>("id"),
  );
}

/** The tasks that run when the flow fails, as JSON text of a list of {@link NewTask}; null where there are none. */
export async function readErrorTasks(db: D1Database, flowId: string): Promise<string | null> {
  return persistOr503(() =>
    db.prepare("SELECT on_error FROM flows WHERE id = ?1").bind(flowId).first<string>("on_error"),
  );
}

/** Whatever its members do from now on, the flow ends cancelled. */
export async function requestFlowCancel(db: D1Database, flowId: string, now: number): Promise<void> {
  await persistOr503(() =>
    db
      .prepare(
        "UPDATE flows SET cancel_requested_at = ?2 WHERE id = ?1 AND state = 'running' AND cancel_requested_at IS NULL",
      )
      .bind(flowId, now)
      .run(),
  );
}

/** The keys of tasks in their flow, by id. */
export async function readKeys(db: D1Database, ids: string[]): Promise<[id: string, key: string][]> {
  const { results } = await persistOr503(() =>
    db
      .prepare("SELECT id, node_key AS key FROM tasks WHERE id IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(ids))
      .all<{ id: string; key: string }>(),
  );
  return results.map((row) => [row.id, row.key]);
}
