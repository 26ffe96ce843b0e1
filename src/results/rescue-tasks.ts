/** What a rescue is guarded by. The clock finds the rows, and the end is a commit like any other. */

import { persist } from "./d1.ts";

/** Whether the lease that ran out was not renewed since: SQL on a row of `tasks` and a commit `v`, which has no lease unless it is a rescue. */
export const IS_STILL_LOST = "(v.lease_until IS NULL OR tasks.lease_until IS v.lease_until)";

/**
 * Where one process is the whole system, no attempt and no bell from before its start is left: their
 * tasks become due at once, instead of when their leases run out. `isSwap`: this process runs other code than the one before, so
 * tasks that crashed with that code have all their tries again.
 */
export async function recoverAll(db: D1Database, bootAt: number, isSwap: boolean): Promise<void> {
  await persist(() =>
    db
      .prepare(
        `UPDATE tasks SET due_at = ?1, lease_until = CASE WHEN state = 'running' THEN ?1 ELSE lease_until END
         WHERE due_at IS NOT NULL AND (state = 'queued' AND created_at < ?1 OR state = 'running' AND started_at < ?1)`,
      )
      .bind(bootAt)
      .run(),
  );
  if (!isSwap) return;
  const forgive = `UPDATE tasks SET crashes = 0 WHERE crashes > 0 AND state IN ('queued', 'running', 'retrying')`;
  await persist(() => db.prepare(forgive).run());
}
