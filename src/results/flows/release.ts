/**
 * What the end of a flow's task does to the flow, as statements for the very transaction that ends
 * it: tasks that needed its success and cannot have it end too, tasks that have all they need are
 * queued, and the flow ends with its last task. Nothing is counted, so nothing can be counted twice:
 * run again, each statement finds nothing left to do.
 */

import { BELL_MS } from "../../core/bounds.ts";
import { NO_START } from "../../core/settle.ts";
import { LIVE_STATES, sqlStates, TERMINAL_STATES, type State } from "../../core/states.ts";
import type { Batch } from "../d1.ts";
import { ends } from "../ended.ts";
import { insertSql } from "../submission-columns.ts";
import { WAKE_PARENTS } from "../suspend-tasks.ts";

const ENDED_BADLY = "('failed', 'cancelled', 'expired')";
const TERMINAL = sqlStates(TERMINAL_STATES);
const LIVE = sqlStates(LIVE_STATES);

/** A member of a flow that has not been released; one that sleeps is `waiting` too, but for other things. */
export const waitsForNeeds = (table: string) =>
  `${table}.state = 'waiting' AND ${table}.waiting_for->>'type' = 'needs'`;
const WAITS = waitsForNeeds("tasks");

/** Ids that one error names. */
const MAX_CAUSES = 100;

/** Whether a task has ended without running, because one that it needs did not succeed, and its error has room for one id more. */
const ABANDONED = (table: string) => `(${table}.state IN ('failed', 'cancelled')
  AND ${table}.error->>'type' = 'dependency_failed' AND json_array_length(${table}.error, '$.data.taskIds') < ${MAX_CAUSES})`;

/** The tasks that may have ended: the ids of ?1, a JSON array. */
const GIVEN = "SELECT value FROM json_each(?1)";

/**
 * All tasks that need those of `ended` (SQL) that did not succeed, with the causes: a task that ran is a cause, one that never ran
 * passes on its own causes.
 */
const doomed = (ended: string) => `
WITH RECURSIVE doomed (id, cause, state) AS (
  SELECT id, cause, state FROM (
    SELECT next.value AS id, cause.value AS cause, ended.state AS state,
      ROW_NUMBER() OVER (PARTITION BY next.value ORDER BY ended.state = 'cancelled', cause.value) AS place
    FROM tasks AS ended, json_each(ended.node, '$.next') AS next, json_each(CASE
      WHEN ended.error->>'type' = 'dependency_failed' AND json_array_length(ended.error, '$.data.taskIds') > 0
      THEN ended.error->'$.data.taskIds' ELSE json_array(ended.id) END) AS cause
    WHERE ended.id IN (${ended}) AND ended.node IS NOT NULL AND ended.state IN ${ENDED_BADLY})
  WHERE place <= ${MAX_CAUSES}
  UNION
  SELECT next.value, doomed.cause, doomed.state
  FROM doomed JOIN tasks AS gone ON gone.id = doomed.id, json_each(gone.node, '$.next') AS next
  WHERE ${waitsForNeeds("gone")} OR ${ABANDONED("gone")})`;

const causesOf = (blamed: string) => `
  SELECT id, json_group_array(DISTINCT cause) FILTER (WHERE place <= ${MAX_CAUSES}) AS causes,
    SUM(state <> 'cancelled') > 0 AS failed
  FROM (SELECT *, DENSE_RANK() OVER (PARTITION BY id ORDER BY cause) AS place FROM (${blamed})) GROUP BY id`;

/** Tasks that have ended because another task they need did not succeed get this cause, too. */
const blame = (ended: string) => `${doomed(ended)}
UPDATE tasks SET error = json_set(tasks.error, '$.data.taskIds', json(verdict.causes))
FROM (${causesOf(`
  SELECT id, cause, state FROM doomed
  UNION
  SELECT task.id, known.value, task.state FROM tasks AS task, json_each(task.error, '$.data.taskIds') AS known
  WHERE task.id IN (SELECT id FROM doomed) AND ${ABANDONED("task")}`)}) AS verdict
WHERE tasks.id = verdict.id AND ${ABANDONED("tasks")}
  AND json_array_length(verdict.causes) > json_array_length(tasks.error, '$.data.taskIds')`;

/** ?2 is the time. */
const abandon = (ended: string) => `${doomed(ended)}
UPDATE tasks SET run_at = ?2, ${ends(
  "CASE WHEN verdict.failed THEN 'failed' ELSE 'cancelled' END",
  `json_object('type', 'dependency_failed', 'message', 'a task that this one needs did not succeed',
    'data', json_object('taskIds', json(verdict.causes)))`,
)}
FROM (${causesOf("SELECT id, cause, state FROM doomed")}) AS verdict
WHERE tasks.id = verdict.id AND ${WAITS}`;

/** All of `ended` (SQL), and what ended because of them. */
const gone = (ended: string) => `gone (id) AS (
  ${ended}
  UNION
  SELECT next.value FROM gone JOIN tasks AS task ON task.id = gone.id, json_each(task.node, '$.next') AS next
    JOIN tasks AS after ON after.id = next.value
  WHERE after.state IN ('failed', 'cancelled'))`;

const CANDIDATES = `
  SELECT next.value FROM gone JOIN tasks AS task ON task.id = gone.id, json_each(task.node, '$.next') AS next
  UNION
  SELECT next.value FROM gone JOIN tasks AS task ON task.id = gone.id, json_each(task.node, '$.nextOnEnd') AS next`;

const START = "MAX(?2 + COALESCE(tasks.node->>'delay', 0), COALESCE(tasks.node->>'runAt', 0))";

const release = (ended: string) => `
WITH RECURSIVE ${gone(ended)}
UPDATE tasks SET
  state = CASE WHEN ${START} > ?2 OR tasks.paused_at IS NOT NULL THEN 'scheduled' ELSE 'queued' END,
  run_at = ${START},
  due_at = MIN(CASE WHEN tasks.paused_at IS NOT NULL THEN ${NO_START} WHEN ${START} > ?2 THEN ${START} ELSE ?2 + ${BELL_MS} END, COALESCE(tasks.expires_at, ${NO_START})),
  waiting_for = NULL,
  parent_id = (
    SELECT need.id FROM tasks AS need
    WHERE need.id IN (SELECT value FROM json_each(tasks.node, '$.needs') UNION SELECT value FROM json_each(tasks.node, '$.needsEnd'))
    ORDER BY need.finished_at DESC LIMIT 1)
WHERE id IN (${CANDIDATES}) AND ${WAITS}
  -- One that is gone holds no task up: a task that asks for its value fails, and the flow ends.
  AND NOT EXISTS (SELECT 1 FROM json_each(tasks.node, '$.needs') AS need JOIN tasks AS other ON other.id = need.value
    WHERE other.state <> 'succeeded')
  AND NOT EXISTS (SELECT 1 FROM json_each(tasks.node, '$.needsEnd') AS need JOIN tasks AS other ON other.id = need.value
    WHERE other.state NOT IN ${TERMINAL})`;

const FLOWS = `flows.state = 'running' AND flows.id IN (
  SELECT flow_id FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND flow_id IS NOT NULL)`;

const ALL_ENDED = `NOT EXISTS (
  SELECT 1 FROM json_each(flows.ids) AS member JOIN tasks ON tasks.id = member.value WHERE tasks.state IN ${LIVE})`;

const anyEnded = (states: string) => `EXISTS (
  SELECT 1 FROM json_each(flows.ids) AS member JOIN tasks ON tasks.id = member.value
  WHERE tasks.state IN ${states} AND tasks.node->>'ignored' IS NULL AND tasks.node->>'onError' IS NULL)`;

// The error tasks join the flow before the statement that looks whether it has ended, so it runs until they have.
const BEGIN_ERROR = `
UPDATE flows SET failing = 1,
  ids = (SELECT jsonb_group_array(id) FROM (
    SELECT value->>'id' AS id FROM json_each(flows.on_error)
    UNION ALL SELECT value FROM json_each(flows.ids)))
WHERE ${FLOWS} AND failing = 0 AND on_error IS NOT NULL AND cancel_requested_at IS NULL
  AND ${ALL_ENDED} AND (overdue > 0 OR ${anyEnded("('failed', 'expired')")})`;

// An error task begins now: its delay and its expiry count from here, not from the flow's submission.
const ERROR_START = "MAX(?2 + COALESCE(v->>'node'->>'delay', 0), COALESCE(v->>'node'->>'runAt', 0))";
const ERROR_EXPIRY = "CASE WHEN v->>'node'->>'expiresIn' THEN ?2 + (v->>'node'->>'expiresIn') ELSE v->>'expiresAt' END";

const INSERT_ERROR = `${insertSql(
  `SELECT v, ${ERROR_START} AS start, ${ERROR_EXPIRY} AS expiry
   FROM (SELECT error.value AS v FROM flows, json_each(flows.on_error) AS error WHERE ${FLOWS} AND flows.failing = 1)`,
  {
    state: "CASE WHEN v->>'state' = 'waiting' THEN 'waiting' WHEN start > ?2 THEN 'scheduled' ELSE 'queued' END",
    dueAt: `CASE WHEN v->>'state' = 'waiting' THEN expiry
      ELSE MIN(CASE WHEN start > ?2 THEN start ELSE ?2 + ${BELL_MS} END, COALESCE(expiry, ${NO_START})) END`,
    createdAt: "?2",
    runAt: "CASE WHEN v->>'state' = 'waiting' THEN v->>'runAt' ELSE start END",
    expiresAt: "expiry",
    // Even a large input lies in the row, and a claim reads it there.
    overflow: "0",
  },
)}
WHERE true ON CONFLICT DO NOTHING`;

const FINISH = `
UPDATE flows SET finished_at = ?2,
  retain_until = (SELECT MAX(tasks.retain_until) FROM json_each(flows.ids) AS member JOIN tasks ON tasks.id = member.value),
  state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
    WHEN overdue > 0 OR ${anyEnded("('failed', 'expired')")} THEN 'failed'
    WHEN ${anyEnded("('cancelled')")} THEN 'cancelled' ELSE 'succeeded' END
WHERE ${FLOWS} AND ${ALL_ENDED}`;

const RELEASED = `
WITH RECURSIVE ${gone(GIVEN)}
SELECT id, lane, state, due_at AS dueAt, object FROM tasks
WHERE state IN ('queued', 'scheduled') AND id IN (${CANDIDATES}
  UNION SELECT task.node->>'wakes' FROM tasks AS task WHERE task.id IN (SELECT value FROM json_each(?1))
  UNION SELECT error.value->>'id' FROM flows, json_each(flows.on_error) AS error WHERE ${FLOWS} AND flows.failing = 1)
UNION ALL
SELECT id, lane, state, due_at, object FROM tasks
WHERE object <> 0 AND id IN (SELECT id FROM gone) AND id NOT IN (${GIVEN})
UNION ALL
SELECT id, '', state, NULL, object FROM flows
WHERE object <> 0 AND state <> 'running' AND id IN (
  SELECT flow_id FROM tasks WHERE id IN (${GIVEN}) AND flow_id IS NOT NULL)`;

/**
 * A task that has all it needs: `queued` or `scheduled`. Or what has ended in consequence, where its progress object
 * must be told: another task, or the flow, whose lane is empty.
 */
export interface Released {
  id: string;
  lane: string;
  state: State;
  dueAt: number | null;
  /** Bits of {@link OBJECT}, of what has ended. */
  object?: number;
}

/**
 * Ends the members of flows that wait in vain for one of `ended`, and queues those that wait for nothing more. `ended` is SQL
 * for ids, in which ?1 is the list: the ids of the list itself, unless given.
 */
export function settleStatements(db: D1Database, list: string, now: number, ended = GIVEN): D1PreparedStatement[] {
  return [
    db.prepare(blame(ended)).bind(list),
    db.prepare(abandon(ended)).bind(list, now),
    db.prepare(release(ended)).bind(list, now),
  ];
}

/** Adds to a batch that may end the tasks of `ids` (a JSON array) at `now` what follows from their ends. */
export function addRelease(batch: Batch, db: D1Database, ids: string, now: number): () => Released[] {
  batch.add(
    ...settleStatements(db, ids, now),
    db.prepare(WAKE_PARENTS).bind(ids, now),
    db.prepare(BEGIN_ERROR).bind(ids),
    db.prepare(INSERT_ERROR).bind(ids, now),
    db.prepare(FINISH).bind(ids, now),
  );
  return batch.rows<Released>(db.prepare(RELEASED).bind(ids));
}
