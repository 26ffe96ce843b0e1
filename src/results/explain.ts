/** What holds a task back, as it stands in D1. */

import { LIVE_STATES, sqlStates } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** Ids named at most. */
const MAX_IDS = 100;

/** The unfinished tasks that a member of a flow waits for. */
export async function readUnfinishedNeeds(db: D1Database, id: string): Promise<{ ids: string[]; more: boolean }> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT need.value AS id FROM tasks,
           (SELECT value FROM tasks AS own, json_each(own.node, '$.needs') WHERE own.id = ?1
            UNION ALL SELECT value FROM tasks AS own, json_each(own.node, '$.needsEnd') WHERE own.id = ?1) AS need
         WHERE tasks.id = need.value AND tasks.state IN ${sqlStates(LIVE_STATES)} LIMIT ${MAX_IDS + 1}`,
      )
      .bind(id)
      .all<{ id: string }>(),
  );
  return { ids: results.slice(0, MAX_IDS).map((row) => row.id), more: results.length > MAX_IDS };
}

export interface Constraints {
  /** JSON of the task's keys and rates; null where it has none. */
  concurrency: string | null;
  rates: string | null;
  /** Its circuit where that is not closed. */
  circuit: { openUntil: number; probe: string | null } | null;
  /** How its lane is paused; null where it is not. */
  lane: { reason: string | null; until: number | null } | null;
}

export async function readConstraints(db: D1Database, id: string, lane: string, now: number): Promise<Constraints> {
  const [task, paused, tripped] = await persistOr503(() =>
    db.batch<Record<string, unknown>>([
      db.prepare("SELECT concurrency, rates FROM tasks WHERE id = ?1").bind(id),
      db
        .prepare("SELECT reason, until FROM lanes WHERE name = ?1 AND paused = 1 AND (until IS NULL OR until > ?2)")
        .bind(lane, now),
      db
        .prepare(
          `SELECT open_until AS openUntil, probe FROM tasks JOIN circuits ON circuits.task = tasks.task
           WHERE tasks.id = ?1 AND tasks.circuit IS NOT NULL AND open_until IS NOT NULL`,
        )
        .bind(id),
    ]),
  );
  const row = task?.results[0] as { concurrency: string | null; rates: string | null } | undefined;
  return {
    concurrency: row?.concurrency ?? null,
    rates: row?.rates ?? null,
    circuit: (tripped?.results[0] as Constraints["circuit"] | undefined) ?? null,
    lane: (paused?.results[0] as Constraints["lane"] | undefined) ?? null,
  };
}

export interface Bucket {
  key: string;
  /** When the next token is due, in ms since the epoch, and how early it may be used. */
  tat: number;
  tolerance: number;
}

export async function readBuckets(db: D1Database, keys: string[]): Promise<Bucket[]> {
  if (keys.length === 0) return [];
  const { results } = await persistOr503(() =>
    db
      .prepare("SELECT key, tat, tolerance FROM buckets WHERE key IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(keys))
      .all<Bucket>(),
  );
  return results;
}
