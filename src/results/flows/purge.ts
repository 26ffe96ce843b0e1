/**
 * Removes flows, each with all of its members in one transaction. No member is removed before the others: a member whose
 * value was removed could not be told from one without a value.
 */

import { DEFAULT_RETENTION_MS } from "../../core/bounds.ts";
import { TOLD } from "../../core/wake.ts";
import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";

/** A flow, found by members of it. Instants are ms since the epoch. */
export interface FlowOf {
  id: string;
  /** JSON array of those members' ids. */
  taskIds: string;
  /** Null while it runs. */
  finishedAt: number | null;
  /** Null while it runs, and where an earlier release has ended it. */
  retainUntil: number | null;
  /** How many tasks it has. */
  size: number;
}

/** Answers the {@link FlowOf} of each flow that some of the tasks `ids` (a JSON array) are members of. */
export function flowsOfStatement(db: D1Database, ids: string): D1PreparedStatement {
  return db
    .prepare(
      `SELECT flows.id, CASE WHEN flows.state <> 'running' THEN flows.finished_at END AS finishedAt,
         flows.retain_until AS retainUntil, json_array_length(flows.ids) AS size, own.taskIds
       FROM (SELECT flow_id, json_group_array(id) AS taskIds FROM tasks
         WHERE id IN (SELECT value FROM json_each(?1)) AND flow_id IS NOT NULL GROUP BY flow_id) AS own
       JOIN flows ON flows.id = own.flow_id`,
    )
    .bind(ids);
}

/** The same, asked alone. */
export async function readFlowsOf(db: D1Database, ids: string[]): Promise<FlowOf[]> {
  const { results } = await persistOr503(() => flowsOfStatement(db, JSON.stringify(ids)).all<FlowOf>());
  return results;
}

/** A flow that has ended, with what its members' rows say. */
export interface EndedFlow {
  id: string;
  finishedAt: number;
  /** The latest of its members', in ms since the epoch. */
  retainUntil: number;
  size: number;
  /** JSON arrays: members of which webhooks must still be told, and those that have a progress object. */
  owing: string;
  objects: string;
}

/** Those of these flows that have ended. */
export async function readEndedFlows(db: D1Database, ids: string[]): Promise<EndedFlow[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT flows.id, flows.finished_at AS finishedAt, COUNT(tasks.id) AS size,
           COALESCE(MAX(tasks.retain_until), flows.finished_at + ${DEFAULT_RETENTION_MS}) AS retainUntil,
           json_group_array(tasks.id) FILTER (
             WHERE EXISTS (SELECT 1 FROM outbox WHERE outbox.task_id = tasks.id)) AS owing,
           json_group_array(json_object('id', tasks.id, 'object', tasks.object)) FILTER (
             WHERE tasks.object & ${TOLD}) AS objects
         FROM flows LEFT JOIN json_each(flows.ids) AS member LEFT JOIN tasks ON tasks.id = member.value
         WHERE flows.id IN (SELECT value FROM json_each(?1)) AND flows.state <> 'running'
         GROUP BY flows.id`,
      )
      .bind(JSON.stringify(ids))
      .all<EndedFlow>(),
  );
  return results;
}

// A flow that was opened again since it was looked at has another end, or none.
const GOING = `flows.state <> 'running'
  AND (flows.id, flows.finished_at) IN (SELECT value->>'id', value->>'finishedAt' FROM json_each(?1))`;

const MEMBERS_OF_ENDED = `SELECT member.value FROM flows, json_each(flows.ids) AS member WHERE ${GOING}`;

/** Removes those of these flows that still are as they were read; answers the ids of those that are gone. Safe to repeat. */
export async function deleteFlows(
  db: D1Database,
  flows: Pick<EndedFlow, "id" | "finishedAt">[],
  audit: Audit | null = null,
): Promise<Set<string>> {
  const list = JSON.stringify(flows.map(({ id, finishedAt }) => ({ id, finishedAt })));
  const entry = auditStatements(db, audit, `SELECT COUNT(*) FROM flows WHERE ${GOING}`, [list]);
  const batch = new Batch(db);
  batch.add(
    ...entry,
    db
      .prepare(
        `DELETE FROM payloads WHERE task_id IN (SELECT id FROM tasks WHERE (overflow <> 0 OR run > 1) AND id IN (${MEMBERS_OF_ENDED}))`,
      )
      .bind(list),
    db
      .prepare(
        `DELETE FROM signals WHERE task_id IN (SELECT id FROM tasks WHERE signals > 0 AND id IN (${MEMBERS_OF_ENDED}))`,
      )
      .bind(list),
    db.prepare(`DELETE FROM tasks WHERE id IN (${MEMBERS_OF_ENDED})`).bind(list),
    db.prepare(`DELETE FROM flows WHERE ${GOING}`).bind(list),
  );
  const kept = batch.rows<{ id: string }>(
    db.prepare("SELECT id FROM flows WHERE id IN (SELECT value->>'id' FROM json_each(?1))").bind(list),
  );
  await batch.run(persistOr503);
  const left = new Set(kept().map((flow) => flow.id));
  return new Set(flows.map((flow) => flow.id).filter((id) => !left.has(id)));
}

/** Forgets flows without tasks, once others of the same age are purged. */
export function forgetEmptyFlows(db: D1Database, now: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM flows WHERE id IN (
         SELECT id FROM flows WHERE json_array_length(ids) = 0 AND created_at <= ?1 - ${DEFAULT_RETENTION_MS} LIMIT ?2)`,
    )
    .bind(now, limit);
}
