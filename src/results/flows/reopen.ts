/** What a new run of members does to their flow, as statements for the very transaction that begins it: the flow is open again. */

import { NO_START } from "../../core/settle.ts";
import { LIVE_STATES, sqlStates, TERMINAL_STATES } from "../../core/states.ts";
import { persistOr503 } from "../d1.ts";
import { settleStatements, waitsForNeeds } from "./release.ts";
import { RESET } from "../ended-runs.ts";
import { BELOW, HAS_ALL, WAIT } from "./retry.ts";

/** A running flow that has failed, is overdue or was cancelled does not go on with a member that runs again. */
const OPEN =
  "flows.state <> 'running' OR flows.failing = 0 AND flows.overdue = 0 AND flows.cancel_requested_at IS NULL";

/** Whether a task that depends on it was released already, with what it was passed, or was removed and so cannot run after it. */
const USED = `EXISTS (
  WITH RECURSIVE ${BELOW("SELECT tasks.id")}
  SELECT 1 FROM below LEFT JOIN tasks AS after ON after.id = below.id
  WHERE after.id IS NULL OR after.state IN ${sqlStates(LIVE_STATES)} AND NOT (${waitsForNeeds("after")}))`;

/**
 * Whether a task may run again by itself, as SQL: it is no member of a flow, or all that it needs has succeeded and
 * what depends on it can wait for it again.
 */
export const MAY_RUN_AGAIN = `(tasks.flow_id IS NULL OR (
  EXISTS (SELECT 1 FROM flows WHERE flows.id = tasks.flow_id AND (${OPEN}))
  AND ${HAS_ALL} AND NOT ${USED}))`;

/** What depends on `roots` (SQL) waits for them again, in a new run that the call ?2 has begun. */
export const waitAgain = (roots: string) => `
WITH RECURSIVE ${BELOW(roots)}
UPDATE tasks SET state = 'waiting', run_at = ${NO_START}, due_at = NULL, holder = ?2, ${RESET},
  waiting_for = ${WAIT}
WHERE id IN (SELECT id FROM below) AND state IN ${sqlStates(TERMINAL_STATES)}`;

const FLOWS = "SELECT flow_id FROM tasks WHERE id IN (SELECT value FROM json_each(?1))";

/** All members of the flows of ?1. */
export const MEMBERS_OF_FLOWS = `
  SELECT member.value FROM flows, json_each(flows.ids) AS member WHERE flows.id IN (${FLOWS})`;

const anyLive = (which: string) => `EXISTS (
  SELECT 1 FROM json_each(flows.ids) AS member JOIN tasks ON tasks.id = member.value
  WHERE tasks.state IN ${sqlStates(LIVE_STATES)} AND ${which})`;

// A flow in which nothing but its error tasks run again stays a failed one.
const ANEW = `flows.state <> 'running' AND ${anyLive("tasks.node->>'onError' IS NULL")}`;

const RENEW = `
UPDATE flows SET cancel_requested_at = NULL, failing = 0, deadline = NULL, overdue = 0 WHERE id IN (${FLOWS}) AND ${ANEW}`;

const RENEW_ERROR = `UPDATE flows SET on_error = ?2 WHERE id = ?1 AND ${ANEW}`;

const REOPEN = `
UPDATE flows SET state = 'running', finished_at = NULL, retain_until = NULL WHERE id IN (${FLOWS}) AND flows.state <> 'running' AND ${anyLive("TRUE")}`;

/** A flow of which members may run again, and what it runs if it fails again: JSON text of a list of {@link NewTask}, or null. */
export interface Reopened {
  id: string;
  onError: string | null;
}

/** The flows that these tasks are members of, each with the tasks for its failure: JSON text, null where there are none. */
export async function readFlowsToReopen(db: D1Database, ids: string[]): Promise<Reopened[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(`SELECT id, on_error AS onError FROM flows WHERE id IN (${FLOWS})`)
      .bind(JSON.stringify(ids))
      .all<Reopened>(),
  );
  return results;
}

/**
 * To be appended to a batch that may have begun new runs of `ids` (a JSON array), and made what depends on them wait:
 * ends the members that wait in vain, and opens the `flows` that have live members again. Safe to repeat.
 */
export function reopenStatements(db: D1Database, ids: string, flows: Reopened[], now: number): D1PreparedStatement[] {
  return [
    ...settleStatements(db, ids, now, MEMBERS_OF_FLOWS),
    ...flows.filter((flow) => flow.onError !== null).map((flow) => db.prepare(RENEW_ERROR).bind(flow.id, flow.onError)),
    db.prepare(RENEW).bind(ids),
    db.prepare(REOPEN).bind(ids),
  ];
}
