/** What changes among a tenant's tasks while a client listens: a trigger notes it, a look takes it. */

import type { FeedFrame } from "../contract/feed.ts";
import { Batch, persistOr503 } from "./d1.ts";

/** Tasks that one look names. It reads two rows for each, and removes one. */
export const MAX_CHANGED = 2_000;

/** The changes that are left are counted up to this number. */
const MAX_MORE = 4_000;

const FIRST = `SELECT task_id FROM feed_changes WHERE tenant = ?1 ORDER BY task_id LIMIT ${MAX_CHANGED}`;

/** Has the changes of the tenant's tasks noted until `until`, in ms since the epoch. */
export async function openFeed(db: D1Database, tenant: string, until: number): Promise<void> {
  const open = db
    .prepare("INSERT INTO feeds (tenant, until) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET until = excluded.until")
    .bind(tenant, until);
  await persistOr503(() => open.run());
}

/** Takes what has changed: the tasks that still exist, as they are now, and how many are left for the next look. */
export async function takeChanges(db: D1Database, tenant: string): Promise<Pick<FeedFrame, "changed" | "more">> {
  const batch = new Batch(db);
  const changed = batch.rows<FeedFrame["changed"][number]>(
    db
      .prepare(
        `SELECT tasks.id, tasks.task, tasks.lane, tasks.state FROM (${FIRST}) AS first CROSS JOIN tasks ON tasks.id = first.task_id`,
      )
      .bind(tenant),
  );
  batch.add(db.prepare(`DELETE FROM feed_changes WHERE tenant = ?1 AND task_id IN (${FIRST})`).bind(tenant));
  const more = batch.first<{ count: number }>(
    db
      .prepare(`SELECT COUNT(*) AS count FROM (SELECT 1 FROM feed_changes WHERE tenant = ?1 LIMIT ${MAX_MORE})`)
      .bind(tenant),
  );
  await batch.run(persistOr503);
  return { changed: changed(), more: more()?.count ?? 0 };
}

/** Ends the noting, and removes some of what is left; true where that was all. */
export async function closeFeed(db: D1Database, tenant: string): Promise<boolean> {
  const batch = new Batch(db);
  batch.add(
    db.prepare("DELETE FROM feeds WHERE tenant = ?1").bind(tenant),
    db.prepare(`DELETE FROM feed_changes WHERE tenant = ?1 AND task_id IN (${FIRST})`).bind(tenant),
  );
  const left = batch.first(db.prepare("SELECT 1 FROM feed_changes WHERE tenant = ?1 LIMIT 1").bind(tenant));
  await batch.run(persistOr503);
  return left() === null;
}
