/** What a flow passes on: how its tasks have ended, and with what. */

import { InputTooLargeError, type Known } from "../../core/flows/value.ts";
import type { State } from "../../core/states.ts";
import { persist } from "../d1.ts";
import type { FlowNode } from "./node.ts";
import { LOOKED_FOR, lookUp, readMemberIds } from "./flows.ts";
import { jsonOf, OVERFLOW } from "../task-row.ts";

/** What onError is passed. */
export interface Failure {
  flowId: string;
  failed: { key: string; taskId: string; error: unknown }[];
}

/** Failed members that are named. */
const MAX_FAILED = 1_000;

/** The members that failed by themselves; where the deadline has passed, also those that it ended. Null where the flow was removed. */
export async function readFailure(db: D1Database, flowId: string): Promise<Failure | null> {
  const ids = await readMemberIds(db, flowId);
  if (ids === null) return null;
  const rows = await lookUp<{ id: string; nodeKey: string; error: string | null }>(
    db,
    ids,
    `SELECT id, node_key AS nodeKey, error FROM tasks
     WHERE ${LOOKED_FOR} AND error->>'type' <> 'dependency_failed' AND (state IN ('failed', 'expired')
         OR state = 'cancelled' AND EXISTS (SELECT 1 FROM flows WHERE flows.id = ?2 AND overdue > 0))
       AND node->>'ignored' IS NULL AND node->>'onError' IS NULL ORDER BY id LIMIT ${MAX_FAILED}`,
    flowId,
  );
  const failed = rows
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, MAX_FAILED)
    .map((row) => ({ key: row.nodeKey, taskId: row.id, error: withoutStack(row.error) }));
  return { flowId, failed };
}

/** The node of one task; an empty one where it is no member of a flow. */
export async function readNode(db: D1Database, id: string): Promise<FlowNode> {
  const text = await persist(() =>
    db.prepare("SELECT json(node) AS node FROM tasks WHERE id = ?1").bind(id).first<string>("node"),
  );
  return JSON.parse(text ?? "{}") as FlowNode;
}

/** The nodes of those of these tasks whose node has at most `bytes`. */
export async function readSmallNodes(db: D1Database, ids: string[], bytes: number): Promise<Map<string, FlowNode>> {
  const { results } = await persist(() =>
    db
      .prepare(
        `SELECT id, json(node) AS node FROM tasks
         WHERE id IN (SELECT value FROM json_each(?1)) AND octet_length(node) <= ?2`,
      )
      .bind(JSON.stringify(ids), bytes)
      .all<{ id: string; node: string }>(),
  );
  return new Map(results.map((row) => [row.id, JSON.parse(row.node) as FlowNode]));
}

interface EndRow {
  id: string;
  state: State;
  result: string | null;
  error: string | null;
  tenant?: string;
  task?: string;
  sealed?: string | null;
}

/** How these tasks have ended, with their results: the smallest first, as many as fit into `bytes` together, and none that is sealed. */
export async function readSmallEnds(db: D1Database, ids: string[], bytes: number): Promise<Known["ended"]> {
  const { results } = await persist(() =>
    db
      .prepare(
        `SELECT id, state, result, error FROM (
           SELECT id, state, result, error, SUM(size) OVER (ORDER BY size, id) AS total FROM (
             SELECT id, state, result, error, COALESCE(octet_length(result), 0) + COALESCE(octet_length(error), 0) AS size
             FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND NOT overflow & ${OVERFLOW.result}
               AND sealed_result IS NULL))
         WHERE total <= ?2`,
      )
      .bind(JSON.stringify(ids), bytes)
      .all<EndRow>(),
  );
  return endsOf(results);
}

const BODY = `CASE WHEN overflow & ${OVERFLOW.result}
  THEN (SELECT body FROM payloads WHERE task_id = id AND kind = 'result') ELSE result END`;

/**
 * How these tasks have ended, with their results; nothing of those that were removed. Throws an {@link InputTooLargeError}
 * where the results have more than `bytes` together, and reads none of them then.
 */
export async function readEnds(
  db: D1Database,
  ids: string[],
  bytes = Number.MAX_SAFE_INTEGER,
): Promise<Known["ended"]> {
  const sql = `
    SELECT id, state, error, tenant, task, sealed, total, CASE WHEN total <= ?2 THEN ${BODY} END AS result
    FROM (SELECT id, state, error, tenant, task, sealed_result AS sealed, overflow, result, SUM(octet_length(${BODY})) OVER () AS total FROM tasks WHERE ${LOOKED_FOR})`;
  const rows = await lookUp<EndRow & { total: number | null }>(db, ids, sql, bytes);
  if (rows.some((row) => (row.total ?? 0) > bytes)) {
    throw new InputTooLargeError("what the input takes from its flow", bytes);
  }
  return endsOf(rows);
}

function endsOf(rows: EndRow[]): Known["ended"] {
  // Every result is JSON text, that of null too: a task that succeeded and has none has lost it.
  const whole = rows.filter((row) => row.state !== "succeeded" || row.result !== null);
  return new Map(
    whole.map(({ id, state, result, error, tenant, task, sealed }) => [
      id,
      {
        state,
        result: jsonOf<unknown>(result),
        error: withoutStack(error),
        ...(sealed ? { sealed: { tenant: tenant!, task: task!, text: result ?? "null", sealed } } : {}),
      },
    ]),
  );
}

function withoutStack(error: string | null): unknown {
  const { stack: _, ...rest } = jsonOf<{ stack?: string }>(error) ?? {};
  return rest;
}
