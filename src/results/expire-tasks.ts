/** Ends tasks that did not start by their expiry. */

import { ARROWS, sqlStates } from "../core/states.ts";
import type { Change } from "./changes.ts";
import { Batch, persist } from "./d1.ts";
import { nextDueStatement } from "./due-tasks.ts";
import { ends } from "./ended.ts";
import { addRelease } from "./flows/release.ts";
import type { Moved } from "./start-tasks.ts";
import { owedStatement, type OwedId } from "./webhooks/owed.ts";

const ERROR = `json_object('type', 'expired', 'message',
    'not started by ' || strftime('%Y-%m-%dT%H:%M:%fZ', expires_at / 1000.0, 'unixepoch'))`;

const EXPIRE = `
UPDATE tasks SET ${ends("'expired'", ERROR)}
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(ARROWS.expire.from)}
  AND started_at IS NULL AND expires_at <= ?2`;

const EXPIRED = `
SELECT id, tenant, task, lane, state, object FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'expired' AND finished_at = ?2`;

/** Ends those of `ids` that are past their expiry at `now` and have never started. Safe to repeat. */
export async function expireTasks(db: D1Database, ids: string[], now: number): Promise<Moved> {
  const list = JSON.stringify(ids);
  const batch = new Batch(db);
  batch.add(db.prepare(EXPIRE).bind(list, now));
  const moved = batch.rows<Change>(db.prepare(EXPIRED).bind(list, now));
  const released = addRelease(batch, db, list, now);
  const owed = batch.rows<OwedId>(owedStatement(db, list, now));
  const next = batch.first<{ dueAt: number }>(nextDueStatement(db, now));
  await batch.run(persist);
  return { moved: moved(), released: released(), owed: owed(), nextDue: next()?.dueAt ?? null };
}
