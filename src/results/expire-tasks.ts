/** Ends tasks that did not start by their expiry. */

import { ARROWS, sqlStates } from "../core/states.ts";
import type { Change, Changes } from "./changes.ts";
import type { Batch } from "./d1.ts";
import { dueWhenEnded } from "./ended.ts";
import { addRelease } from "./flows/release.ts";
import { owedStatement, type OwedId } from "./webhooks/owed.ts";

const EXPIRE = `
UPDATE tasks SET state = 'expired', finished_at = ?2, retain_until = ?2 + retention_ms,
  due_at = ${dueWhenEnded("?2")}, waiting_for = NULL, error = json_object('type', 'expired', 'message',
    'not started by ' || strftime('%Y-%m-%dT%H:%M:%fZ', expires_at / 1000.0, 'unixepoch'))
WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ${sqlStates(ARROWS.expire.from)}
  AND started_at IS NULL AND expires_at <= ?2`;

const EXPIRED = `
SELECT id, tenant, task, lane, state, object FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'expired' AND finished_at = ?2`;

/** Adds to a batch the end of those of `ids` that are past their expiry at `now` and have never started. Safe to repeat. */
export function addExpiry(batch: Batch, db: D1Database, ids: string[], now: number): () => Changes {
  const list = JSON.stringify(ids);
  batch.add(db.prepare(EXPIRE).bind(list, now));
  const moved = batch.rows<Change>(db.prepare(EXPIRED).bind(list, now));
  const released = addRelease(batch, db, list, now);
  const owed = batch.rows<OwedId>(owedStatement(db, list, now));
  return () => ({ moved: moved(), released: released(), owed: owed() });
}
