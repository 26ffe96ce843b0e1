/**
 * Suspends tasks, and wakes them, as SQL. The commit of an attempt writes what {@link SUSPEND} says; a signal, or the end of the
 * tasks that are waited for, queues the task again in the transaction that brings it. The clock ends a sleep.
 */

import { BELL_MS } from "../core/bounds.ts";
import { LIVE_STATES, sqlStates } from "../core/states.ts";

/** Whether one of the groups of tasks in a wait (an SQL expression of JSON) has ended as a whole. */
const anyGroupEnded = (wait: string) => `EXISTS (SELECT 1 FROM json_each(${wait}, '$.tasks') AS team WHERE NOT EXISTS (
    SELECT 1 FROM json_each(team.value) AS child JOIN tasks AS other ON other.id = child.value
    WHERE other.state IN ${sqlStates(LIVE_STATES)}))`;

/** Whether what a commit `v` is to wait for has come already, between the attempt's last look and its commit. */
const IS_AWAKE = `(v.wait IS NOT NULL AND (
  json_array_length(v.wait, '$.signals') > 0 AND tasks.signals > v.wait->>'heard'
  OR ${anyGroupEnded("v.wait")}))`;

/**
 * What the commit `v` of an attempt sets that leaves its task live. One with a wait (`v.wait`, which a signal, tasks or a time
 * ends) suspends the task, or queues it at once where what is waited for has come already. Without a wait the task moves as `v` says.
 */
export const SUSPEND = {
  state: `CASE WHEN ${IS_AWAKE} THEN 'queued' ELSE v.state END`,
  run_at: `CASE WHEN ${IS_AWAKE} THEN v.at ELSE COALESCE(v.run_at, tasks.run_at) END`,
  due_at: `CASE WHEN ${IS_AWAKE} THEN v.at + ${BELL_MS} ELSE v.due_at END`,
  waiting_for: `CASE WHEN ${IS_AWAKE} THEN NULL ELSE v.wait END`,
} as const;

const queuedAt = (at: string) => `state = 'queued', run_at = ${at}, due_at = ${at} + ${BELL_MS}, waiting_for = NULL`;

/** Queues the parents of the tasks ?1, a JSON array, at the time ?2, where one of the groups of tasks that they wait for has ended. */
export const WAKE_PARENTS = `
UPDATE tasks SET ${queuedAt("?2")}
WHERE state = 'waiting'
  AND id IN (SELECT task.node->>'wakes' FROM tasks AS task WHERE task.id IN (SELECT value FROM json_each(?1)))
  AND ${anyGroupEnded("tasks.waiting_for")}`;

/** Queues the task ?1, at the time ?3, where it waits for a signal of the name ?2 and the delivery ?4 was kept. */
export const WAKE_BY_SIGNAL = `
UPDATE tasks SET ${queuedAt("?3")}
WHERE id = ?1 AND state = 'waiting'
  AND EXISTS (SELECT 1 FROM json_each(tasks.waiting_for, '$.signals') AS wanted WHERE wanted.value = ?2)
  AND EXISTS (SELECT 1 FROM signals WHERE delivery = ?4 AND task_id = ?1)`;
