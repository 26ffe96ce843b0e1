/** Reads limits, and stores or removes what the API sets in their place. */

import { auditStatements, type Audit } from "../audit.ts";
import { newRate } from "./buckets.ts";
import { Batch, persistOr503 } from "../d1.ts";
import { retimeStatement } from "./rate-queue.ts";

/** Tasks that wait under one limit are counted up to this number. */
const MAX_WAITING = 1_000;

/** Tasks that run or wait under one limit are named up to this number. */
const MAX_NAMED = 10;

/** Limits on one page. Each is counted by a statement of its own. */
export const MAX_LIMITS = 25;

/** The keys from `from` on and before `before`, and the keys `also`, which may have no row: of all these, those after `after`. */
export interface KeyRange {
  from: string;
  before: string;
  after: string;
  also: string[];
}

/** A concurrency limit. `max` and `override` are null where the key has no row. */
export interface SlotsRow {
  key: string;
  /** The limit that holds. */
  max: number | null;
  override: number | null;
  used: number;
  waiting: number;
  /** JSON of the ids of the first that run, and of the first that are queued; of the tenant that reads. */
  heldBy: string;
  waiters: string;
}

/** A rate. Instants are ms since the epoch, times ms. */
export interface BucketRow {
  key: string;
  interval: number | null;
  tolerance: number | null;
  tat: number | null;
  heldUntil: number | null;
  /** JSON of what was set through the API. */
  override: string | null;
  waiting: number;
  waiters: string;
}

const keysOf = (table: "limits" | "buckets") => `
  SELECT key FROM ${table} WHERE key >= ?1 AND key < ?2 AND key > ?3
  UNION SELECT value FROM json_each(?4) WHERE value > ?3 ORDER BY 1 LIMIT ?5`;

const upTo = (rows: string) => `(SELECT COUNT(*) FROM (${rows} LIMIT ${MAX_WAITING}))`;

/** Tenants may share a limit, so only the reader's own tasks are named. */
const named = (rows: string, condition = "true") => `
  (SELECT json_group_array(tasks.id) FROM (${rows} LIMIT ${MAX_NAMED}) AS own
    JOIN tasks ON tasks.id = own.id WHERE tasks.tenant = ?2 AND ${condition})`;

const inPlaces = (running: 0 | 1) =>
  `SELECT task_id AS id FROM places WHERE key = known.key AND running = ${running} ORDER BY task_id`;

const PLACES = `
SELECT known.key, max, override,
  (SELECT COUNT(*) FROM places WHERE places.key = known.key AND running = 1) AS used,
  (SELECT COALESCE(SUM(tasks.state = 'queued'), 0)
    FROM (SELECT task_id FROM places WHERE key = known.key AND running = 0 ORDER BY task_id LIMIT ${MAX_WAITING}) AS line
    JOIN tasks ON tasks.id = line.task_id) AS waiting,
  ${named(inPlaces(1))} AS heldBy,
  ${named(inPlaces(0), "tasks.state = 'queued'")} AS waiters
FROM (SELECT ?1 AS key) AS known LEFT JOIN limits ON limits.key = known.key`;

const BUCKETS = `
SELECT known.key, interval, tolerance, tat, held_until AS heldUntil, override,
  ${upTo(`SELECT 1 FROM tasks WHERE rates IS NOT NULL AND state = 'queued' AND rates->0->>'key' = known.key`)} AS waiting,
  ${named(`SELECT id FROM tasks WHERE rates IS NOT NULL AND state = 'queued' AND rates->0->>'key' = known.key ORDER BY id`)} AS waiters
FROM (SELECT ?1 AS key) AS known LEFT JOIN buckets ON buckets.key = known.key`;

/** Concurrency limits by their keys. */
export async function readSlots(db: D1Database, tenant: string, range: KeyRange, limit: number): Promise<SlotsRow[]> {
  return readEach<SlotsRow>(db, PLACES, tenant, await readLimitKeys(db, "limits", range, limit));
}

/** Rates by their keys. One that has no row is full. */
export async function readBucketRows(
  db: D1Database,
  tenant: string,
  range: KeyRange,
  limit: number,
): Promise<BucketRow[]> {
  return readEach<BucketRow>(db, BUCKETS, tenant, await readLimitKeys(db, "buckets", range, limit));
}

async function readLimitKeys(
  db: D1Database,
  table: "limits" | "buckets",
  { from, before, after, also }: KeyRange,
  limit: number,
): Promise<string[]> {
  const statement = db.prepare(keysOf(table)).bind(from, before, after, JSON.stringify(also), limit);
  return (await persistOr503(() => statement.all<{ key: string }>())).results.map((row) => row.key);
}

/** One statement for each key: together they might look at too many rows. */
async function readEach<T>(db: D1Database, sql: string, tenant: string, keys: string[]): Promise<T[]> {
  const batch = new Batch(db);
  const rows = keys.map((key) => batch.rows<T>(db.prepare(sql).bind(key, tenant)));
  await batch.run(persistOr503);
  return rows.flatMap((each) => each());
}

/** Gives the key `max` slots from now on, whatever code and submissions say. */
export async function overrideSlots(
  db: D1Database,
  key: string,
  max: number,
  audit: Audit | null = null,
): Promise<void> {
  const isNews = "SELECT NOT EXISTS (SELECT 1 FROM limits WHERE key = ?1 AND max = ?2 AND override IS ?2)";
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isNews, [key, max]),
      db
        .prepare(
          `INSERT INTO limits (key, max, override) VALUES (?1, ?2, ?2)
           ON CONFLICT (key) DO UPDATE SET max = ?2, override = ?2`,
        )
        .bind(key, max),
    ]),
  );
}

/** Restores the limit that code or the latest submission has asked for; removes one that neither has. */
export async function restoreSlots(db: D1Database, key: string, audit: Audit | null = null): Promise<void> {
  const isChanged = "SELECT COUNT(*) FROM limits WHERE key = ?1 AND (override IS NOT NULL OR asked IS NULL)";
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isChanged, [key]),
      db
        .prepare(
          "UPDATE limits SET max = asked, override = NULL WHERE key = ?1 AND override IS NOT NULL AND asked IS NOT NULL",
        )
        .bind(key),
      db.prepare("DELETE FROM limits WHERE key = ?1 AND asked IS NULL").bind(key),
    ]),
  );
}

/** Sets the rate from now on, whatever code says, and gives waiting tasks new turns. `override`: JSON of what was set through the API. */
export async function overrideBucket(
  db: D1Database,
  key: string,
  rate: { interval: number; tolerance: number },
  override: string,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const isNews = "SELECT NOT EXISTS (SELECT 1 FROM buckets WHERE key = ?1 AND override IS ?2)";
  await persistOr503(() =>
    db.batch([
      ...auditStatements(db, audit, isNews, [key, override]),
      db
        .prepare(
          `INSERT INTO buckets (key, tat, interval, tolerance, override) VALUES (?1, 0, ?3, ?4, ?5)
           ON CONFLICT (key) DO UPDATE SET ${newRate("?3", "?4")}, override = ?5`,
        )
        .bind(key, now, rate.interval, rate.tolerance, override),
      retimeStatement(db, [key], now),
    ]),
  );
}

/** Restores the code's rate; where the code no longer has it (null), the rate with which tasks were submitted holds. */
export async function restoreBucket(
  db: D1Database,
  key: string,
  rate: { interval: number; tolerance: number } | null,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  const restore =
    rate === null
      ? db.prepare("DELETE FROM buckets WHERE key = ?1 AND override IS NOT NULL").bind(key)
      : db
          .prepare(`UPDATE buckets SET ${newRate("?3", "?4")}, override = NULL WHERE key = ?1 AND override IS NOT NULL`)
          .bind(key, now, rate.interval, rate.tolerance);
  const isChanged = "SELECT COUNT(*) FROM buckets WHERE key = ?1 AND override IS NOT NULL";
  const entry = auditStatements(db, audit, isChanged, [key]);
  await persistOr503(() => db.batch([...entry, restore, retimeStatement(db, [key], now)]));
}
