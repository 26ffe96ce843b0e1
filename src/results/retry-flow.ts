/** Runs again what failed in a flow, and what depends on it. */

import { BELL_MS } from "../core/limits.ts";
import { persistOr503, rowsOf } from "./d1.ts";
import { NO_START } from "../core/settle.ts";
import type { Released } from "./release.ts";

const MEMBERS = "(SELECT member.value FROM flows, json_each(flows.ids) AS member WHERE flows.id = ?1)";

/** Failed by itself, or cancelled: not one that only never ran because of another. */
const CULPRITS = `
  SELECT id FROM tasks WHERE id IN ${MEMBERS} AND state IN ('failed', 'cancelled', 'expired')
    AND error->>'type' <> 'dependency_failed' AND node->>'ignored' IS NULL AND node_key NOT GLOB 'onError*'`;

const AFFECTED = (roots: string) => `affected (id) AS (
  ${roots}
  UNION
  SELECT next.value FROM affected JOIN tasks AS task ON task.id = affected.id, json_each(task.node, '$.next') AS next
  UNION
  SELECT next.value FROM affected JOIN tasks AS task ON task.id = affected.id, json_each(task.node, '$.nextOnEnd') AS next)`;

const OPEN = "EXISTS (SELECT 1 FROM flows WHERE flows.id = ?1 AND flows.state = 'running' AND flows.created_at <= ?2)";

const RESET = `run = run + 1, failures = 0, crashes = 0, finished_at = NULL, retain_until = NULL, expires_at = NULL,
  lease_until = NULL, cancel_requested_at = NULL, cancel_reason = NULL, error = NULL, progress = NULL, result = NULL`;

/**
 * Opens an ended flow again: the failed members are queued, those after them wait. `from` is the id
 * of a member to begin at instead. Answers whom to ring for; nothing where the flow is not ended.
 */
export async function retryFlow(
  db: D1Database,
  flowId: string,
  from: string | null,
  onError: string | null,
  now: number,
): Promise<Released[]> {
  const roots = from === null ? CULPRITS : `SELECT id FROM tasks WHERE id = ?3 AND id IN ${MEMBERS}`;
  const bind = (sql: string) => db.prepare(sql).bind(...(from === null ? [flowId, now] : [flowId, now, from]));
  const results = await persistOr503(() =>
    db.batch([
      bind(`UPDATE flows SET state = 'running', finished_at = NULL, cancel_requested_at = NULL, failing = 0
        WHERE id = ?1 AND state <> 'running' AND finished_at <= ?2 AND ?2 > 0 ${from === null ? "" : "AND ?3 <> ''"}`),
      // Those that must wait again, because something they need runs again.
      bind(`WITH RECURSIVE ${AFFECTED(roots)}
        UPDATE tasks SET state = 'waiting', run_at = ${NO_START}, due_at = NULL, ${RESET},
          waiting_for = json_object('type', 'needs', 'count',
            json_array_length(COALESCE(node->'needs', '[]')) + json_array_length(COALESCE(node->'needsEnd', '[]')))
        WHERE id IN (SELECT id FROM affected) AND id NOT IN (${roots})
          AND state IN ('succeeded', 'failed', 'cancelled', 'expired') AND ${OPEN}`),
      bind(`UPDATE tasks SET state = 'queued', run_at = ?2, due_at = ?2 + ${BELL_MS}, ${RESET}, waiting_for = NULL
        WHERE id IN (${roots}) AND state IN ('succeeded', 'failed', 'cancelled', 'expired') AND ${OPEN}`),
      db
        .prepare(
          `SELECT id, lane, state, due_at AS dueAt FROM tasks WHERE id IN ${MEMBERS} AND state = 'queued' AND run_at = ?2`,
        )
        .bind(flowId, now),
      ...(onError === null
        ? []
        : [db.prepare("UPDATE flows SET on_error = ?2 WHERE id = ?1 AND state = 'running'").bind(flowId, onError)]),
    ]),
  );
  return rowsOf<Released>(results, 3);
}
