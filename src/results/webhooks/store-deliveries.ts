/** Stores deliveries: the tasks that make them and their entries in the endpoint's list. Removes what was owed from the outbox. */

import { auditStatements, type Audit } from "../audit.ts";
import { Batch, persistOr503 } from "../d1.ts";
import { addInsert } from "../submit-tasks.ts";
import type { NewTask } from "../new-task.ts";
import type { Owed } from "./owed.ts";
import { insertDefault } from "./store.ts";

/** An entry in the list of an endpoint's deliveries. */
export interface NewDelivery {
  tenant: string;
  webhookId: string;
  /** `msg_` and the rest of the id of the task that makes it. */
  id: string;
  type: string;
  /** Null for a test event. */
  taskId: string | null;
  /** Null: the endpoint's own. */
  url: string | null;
  /** When the event happened, in ms since the epoch. */
  createdAt: number;
}

// An endpoint that was deleted meanwhile gets none.
const INSERT = `
INSERT INTO deliveries (tenant, webhook_id, id, type, task_id, url, created_at)
SELECT value->>'tenant', value->>'webhookId', value->>'id', value->>'type', value->>'taskId', value->>'url',
  value->>'createdAt'
FROM json_each(?1)
WHERE EXISTS (SELECT 1 FROM webhooks WHERE tenant = value->>'tenant' AND webhooks.id = value->>'webhookId')
ON CONFLICT DO NOTHING`;

const SETTLE = `
DELETE FROM outbox WHERE (task_id, run) IN (SELECT value->>'taskId', value->>'run' FROM json_each(?1))`;

/**
 * All or nothing, and safe to repeat with the same ids. `settled` is no longer owed afterwards;
 * `defaults` are the secrets of default endpoints that may not exist yet, by tenant.
 */
export async function storeDeliveries(
  db: D1Database,
  tasks: NewTask[],
  deliveries: NewDelivery[],
  settled: Pick<Owed, "taskId" | "run">[],
  defaults: ReadonlyMap<string, string>,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const ends = settled.map(({ taskId, run }) => ({ taskId, run }));
  const batch = new Batch(db);
  batch.add(
    ...auditStatements(db, audit, "SELECT NOT EXISTS (SELECT 1 FROM tasks WHERE id = ?1)", [tasks[0]?.id ?? null]),
    ...[...defaults].map(([tenant, secret]) => insertDefault(db, tenant, secret, now)),
  );
  addInsert(batch, db, tasks);
  batch.add(db.prepare(INSERT).bind(JSON.stringify(deliveries)), db.prepare(SETTLE).bind(JSON.stringify(ends)));
  await batch.run(persistOr503);
}
