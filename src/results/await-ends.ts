/** For a caller that waits for the end of a task or a flow: notes that it waits, and reads the state. */

import { LIVE_STATES, sqlStates, type State } from "../core/states.ts";
import { OBJECT } from "../core/wake.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { FLOW_COLUMNS, type FlowRow } from "./flows/flows.ts";
import { WHOLE_TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";

/**
 * Notes that a caller waits for the end of the tenant's task, and answers its row. Null where there is nothing to
 * note: it is noted already, the task has ended, or there is none.
 */
export async function markAwaited(db: D1Database, tenant: string, id: string): Promise<WholeTaskRow | null> {
  return persistOr503(() =>
    db
      .prepare(
        `UPDATE tasks SET object = object | ${OBJECT.awaited}
         WHERE id = ?1 AND tenant = ?2 AND object & ${OBJECT.awaited} = 0 AND state IN ${sqlStates(LIVE_STATES)}
         RETURNING ${WHOLE_TASK_COLUMNS}`,
      )
      .bind(id, tenant)
      .first<WholeTaskRow>(),
  );
}

/** Notes that a caller waits for the end of the tenant's flow, if it has not ended. Answers the flow as it is then, null where there is none. */
export async function markFlowAwaited(db: D1Database, tenant: string, id: string): Promise<FlowRow | null> {
  const batch = new Batch(db);
  batch.add(
    db
      .prepare(
        `UPDATE flows SET object = object | ${OBJECT.awaited}
         WHERE id = ?1 AND tenant = ?2 AND object & ${OBJECT.awaited} = 0 AND state = 'running'`,
      )
      .bind(id, tenant),
  );
  const flow = batch.first<FlowRow>(
    db.prepare(`SELECT ${FLOW_COLUMNS} FROM flows WHERE id = ?1 AND tenant = ?2`).bind(id, tenant),
  );
  await batch.run(persistOr503);
  return flow();
}

/** The state of a task, and nothing else of its row; null where there is none. */
export async function readState(db: D1Database, id: string): Promise<State | null> {
  return persistOr503(() => db.prepare("SELECT state FROM tasks WHERE id = ?1").bind(id).first<State>("state"));
}

/** The state of a flow; null where there is none. */
export async function readFlowState(db: D1Database, id: string): Promise<State | null> {
  return persistOr503(() => db.prepare("SELECT state FROM flows WHERE id = ?1").bind(id).first<State>("state"));
}
