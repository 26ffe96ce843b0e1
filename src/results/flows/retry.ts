/** Runs again what failed in a flow, and what depends on it. */

import { BELL_MS } from "../../core/bounds.ts";
import { sqlStates, TERMINAL_STATES } from "../../core/states.ts";
import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";
import { MISSING, readMemberIds, type FlowRow } from "./flows.ts";
import { NO_START } from "../../core/settle.ts";
import { RESET } from "../ended-runs.ts";
import { settleStatements, type Released } from "./release.ts";

const TERMINAL = sqlStates(TERMINAL_STATES);

const MEMBERS_OF_FLOW = "(SELECT member.value FROM flows, json_each(flows.ids) AS member WHERE flows.id = ?1)";

/** The members that did not succeed, without error tasks. Names ?3 only because every parameter must be named. */
const BAD = `
  SELECT id FROM tasks WHERE id IN ${MEMBERS_OF_FLOW} AND state IN ('failed', 'cancelled', 'expired')
    AND node->>'onError' IS NULL AND ?3 IS NULL`;

/** Whether all that a task needs has succeeded. A removed task counts as not succeeded: its value is gone, too. */
export const HAS_ALL = `NOT EXISTS (
  SELECT 1 FROM json_each(tasks.node, '$.needs') AS need LEFT JOIN tasks AS other ON other.id = need.value
  WHERE other.state IS NOT 'succeeded')`;

/** One member, if all that it needs has succeeded. */
const CHOSEN = `
  SELECT id FROM tasks WHERE id = ?3 AND id IN ${MEMBERS_OF_FLOW} AND state IN ${TERMINAL} AND ${HAS_ALL}`;

/** All that comes after the roots. */
export const BELOW = (roots: string) => `below (id) AS (
  SELECT next.value FROM tasks AS task, json_each(task.node, '$.next') AS next WHERE task.id IN (${roots})
  UNION
  SELECT next.value FROM tasks AS task, json_each(task.node, '$.nextOnEnd') AS next WHERE task.id IN (${roots})
  UNION
  SELECT next.value FROM below JOIN tasks AS task ON task.id = below.id, json_each(task.node, '$.next') AS next
  UNION
  SELECT next.value FROM below JOIN tasks AS task ON task.id = below.id, json_each(task.node, '$.nextOnEnd') AS next)`;

/**
 * Whether the flow still has the end that was read: a call that is repeated must not open the flow after its next end. And whether
 * all of its members are there: a removed one can neither run again nor pass on its value.
 */
const ENDED = `EXISTS (SELECT 1 FROM flows WHERE flows.id = ?1 AND flows.state <> 'running' AND flows.finished_at = ?2
  AND NOT EXISTS (SELECT 1 FROM ${MISSING}))`;

/** What a member waits for that is not released yet. */
export const WAIT = `json_object('type', 'needs', 'count',
  json_array_length(COALESCE(node->'needs', '[]')) + json_array_length(COALESCE(node->'needsEnd', '[]')))`;

/** How many tasks would run again, those after the failed ones (or after `from`) included. */
export async function countAgain(
  db: D1Database,
  { id, finishedAt }: Pick<FlowRow, "id" | "finishedAt">,
  from: string | null,
): Promise<number> {
  const roots = from === null ? BAD : CHOSEN;
  const sql = `WITH RECURSIVE ${BELOW(roots)}
    SELECT COUNT(*) AS found FROM (${roots} UNION SELECT id FROM below) WHERE ${ENDED}`;
  return (await persistOr503(() => db.prepare(sql).bind(id, finishedAt, from).first<number>("found"))) ?? 0;
}

const STARTED = `SELECT id, lane, state, due_at AS dueAt FROM tasks WHERE id IN ${MEMBERS_OF_FLOW} AND state = 'queued' AND run_at = ?2`;

/**
 * Opens an ended flow again: the failed members are queued, those after them wait. `from` is the id
 * of a member to begin at instead; what did not succeed elsewhere then stays as it is, and
 * ends the members that would wait for it. Answers the tasks to send a message for; nothing where the flow has
 * not ended or there is nothing to begin with. Safe to repeat: the flow itself comes last, and once it runs nothing
 * more is done. `deadline` is that of the new run, in ms since the epoch.
 */
export async function retryMembers(
  db: D1Database,
  { id: flowId, finishedAt }: Pick<FlowRow, "id" | "finishedAt">,
  from: string | null,
  onError: string | null,
  now: number,
  deadline: number | null = null,
  audit: Audit | null = null,
): Promise<Released[]> {
  const members = from === null ? [] : ((await readMemberIds(db, flowId)) ?? []);
  const roots = from === null ? BAD : CHOSEN;
  const batch = new Batch(db);
  batch.add(
    ...auditStatements(db, audit, `SELECT COUNT(*) FROM tasks WHERE id IN (${roots}) AND ${ENDED}`, [
      flowId,
      finishedAt,
      from,
    ]),
    // Members that need one that runs again must wait again. The roots that are left are queued.
    db
      .prepare(
        `WITH RECURSIVE ${BELOW(roots)}
        UPDATE tasks SET state = 'waiting', run_at = ${NO_START}, due_at = NULL, ${RESET},
          waiting_for = ${WAIT}
        WHERE id IN (SELECT id FROM below) AND state IN ${TERMINAL} AND ${ENDED}`,
      )
      .bind(flowId, finishedAt, from),
    db
      .prepare(
        `UPDATE tasks SET state = 'queued', run_at = ?4, due_at = ?4 + ${BELL_MS}, ${RESET}, waiting_for = NULL
           WHERE id IN (${roots}) AND ${ENDED}`,
      )
      .bind(flowId, finishedAt, from, now),
    ...settleStatements(db, JSON.stringify(members), now),
    db
      .prepare(
        `UPDATE flows SET state = 'running', finished_at = NULL, retain_until = NULL, cancel_requested_at = NULL, failing = 0,
             on_error = COALESCE(?3, on_error), deadline = ?4, overdue = 0
           WHERE id = ?1 AND state <> 'running' AND finished_at = ?5 AND EXISTS (${STARTED})`,
      )
      .bind(flowId, now, onError, deadline, finishedAt),
  );
  const started = batch.rows<Released>(db.prepare(STARTED).bind(flowId, now));
  await batch.run(persistOr503);
  return started();
}
