/**
 * Rollups: what was counted in a span of time, one row for each tenant and span. So what happened
 * in a day is read from a few rows, however much it was.
 */

import { type Batch, persistOr503 } from "./d1.ts";
import { addFailures, type Failures } from "./error-groups.ts";
import { addStatement, type TenantUse } from "./usage.ts";
import type { Counts } from "../core/counts.ts";
import { markKey, type Mark } from "../core/series.ts";

/** How long a span is, in ms; `total` is all of time. */
export const SPANS = { minute: 60_000, hour: 3_600_000, total: 0 } as const;

export type Span = (typeof SPANS)[keyof typeof SPANS];

/**
 * The span of counts that workers have written for a minute and the clock has not folded yet. The clock moves them into the
 * minute, the hour and the total, so that workers write one row instead of three. Readers add them.
 */
export const UNFOLDED_SPAN = 1 as const;

/** The span of days. The clock makes them from hours that are older than hours are kept. */
export const DAY_SPAN = 86_400_000 as const;

/** Minutes are kept for a day, hours for a month and days for a year: what a series shows, and a little more. */
const KEPT_MS = { minute: 25 * SPANS.hour, hour: 31 * DAY_SPAN, day: 366 * DAY_SPAN } as const;

export interface Rollup {
  tenant: string;
  span: Span | typeof UNFOLDED_SPAN | typeof DAY_SPAN;
  /** The span's beginning, in ms since the epoch. */
  at: number;
  counts: Counts;
  /** Counts of errors and of what tasks waited for. */
  causes?: Counts;
}

/** The beginning of the span that `at` lies in. */
export function beginningOf(span: Span | typeof DAY_SPAN, at: number): number {
  return span === SPANS.total ? 0 : Math.floor(at / span) * span;
}

/** Causes that a row keeps, those that were counted most: handlers may throw any number of error types, and a row is at most 2 MB. */
const MAX_CAUSES = 200;

const merged = (column: string, most = "") => `(SELECT json_group_object(key, total) FROM (
    SELECT key, SUM(value) AS total FROM (
      SELECT key, value FROM json_each(rollups.${column}) UNION ALL SELECT key, value FROM json_each(excluded.${column}))
    GROUP BY key ${most}))`;

/** Where the row exists, it gets the sums of both. */
const MERGE = `ON CONFLICT (span, at, tenant) DO UPDATE SET counts = ${merged("counts")},
  causes = CASE WHEN rollups.causes IS NULL OR excluded.causes IS NULL THEN COALESCE(rollups.causes, excluded.causes)
    ELSE ${merged("causes", `ORDER BY total DESC, key LIMIT ${MAX_CAUSES}`)} END`;

const add = (rows: string, guard = "true") => `
INSERT INTO rollups (span, at, tenant, counts, causes)
SELECT value->>'span', value->>'at', value->>'tenant', value->>'counts', value->>'causes' FROM json_each(${rows}) WHERE ${guard}
${MERGE}`;

const ADD = add("?1");

/**
 * Adds these counts, what tenants use, and what has failed. Not safe to repeat, so it is tried once: a failed call loses the counts of
 * some seconds, and never counts them twice.
 */
export async function addRollups(
  db: D1Database,
  rollups: Rollup[],
  used: TenantUse[] = [],
  failures: Failures[] = [],
): Promise<void> {
  const statement = db.prepare(ADD).bind(JSON.stringify(rollups));
  const others = [...(used.length === 0 ? [] : [addStatement(db, used)]), ...addFailures(db, failures)];
  if (others.length === 0) await statement.run();
  else await db.batch([statement, ...others]);
}

/** The tenant of rows that are the deployment's own; no tenant has an empty name. */
export const NO_TENANT = "";

/**
 * Notes that something happens to the whole service, where `guard` (SQL, with the parameters `values`) holds: to be put before
 * the change that the guard asks for.
 */
export function markStatement(
  db: D1Database,
  mark: Omit<Mark, "at">,
  at: number,
  guard = "true",
  values: readonly (string | number | null)[] = [],
): D1PreparedStatement {
  const causes = { [markKey(mark)]: 1 };
  const row = { tenant: NO_TENANT, span: UNFOLDED_SPAN, at: beginningOf(SPANS.minute, at), counts: {}, causes };
  return db.prepare(add(`?${values.length + 1}`, `(${guard})`)).bind(...values, JSON.stringify([row]));
}

/** The oldest rows that are not folded: the same ones for every statement of a transaction. */
const OLDEST = `SELECT at, tenant, counts, causes FROM rollups WHERE span = ${UNFOLDED_SPAN} ORDER BY at, tenant LIMIT ?1`;

/** Answers a row where anything is not folded. */
export const UNFOLDED = `SELECT 1 AS unfolded FROM rollups WHERE span = ${UNFOLDED_SPAN} LIMIT 1`;

/** Adds what `rows` (SQL) have to the rows of `span`. The total has no causes, because they are shown only as series over time. */
function fold(span: Span | typeof DAY_SPAN, rows: string): string {
  const at = span === SPANS.total ? "0" : `oldest.at / ${span} * ${span}`;
  const counters = (column: string, isCause: 0 | 1) => `
  SELECT ${at} AS at, oldest.tenant, ${isCause} AS isCause, counter.key, SUM(counter.value) AS total
  FROM (${rows}) AS oldest, json_each(oldest.${column}) AS counter GROUP BY 1, 2, 4`;
  const causes = span === SPANS.total ? "" : `\n  UNION ALL${counters("causes", 1)}`;
  return `
INSERT INTO rollups (span, at, tenant, counts, causes)
SELECT ${span}, at, tenant, json_group_object(key, total) FILTER (WHERE NOT isCause),
  CASE WHEN MAX(isCause) THEN json_group_object(key, total) FILTER (WHERE isCause AND nth <= ${MAX_CAUSES}) END
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY at, tenant, isCause ORDER BY total DESC, key) AS nth
  FROM (${counters("counts", 0)}${causes}))
WHERE true GROUP BY at, tenant
${MERGE}`;
}

const FOLDS = Object.values(SPANS).map((span) => fold(span, OLDEST));

/**
 * Adds statements to a batch that fold at most `limit` rows into minutes, hours and totals. Safe to repeat: folded rows are
 * removed. The returned function tells whether more are left.
 */
export function addFold(batch: Batch, db: D1Database, limit: number): () => boolean {
  batch.add(
    ...FOLDS.map((sql) => db.prepare(sql).bind(limit)),
    db
      .prepare(
        `DELETE FROM rollups WHERE span = ${UNFOLDED_SPAN} AND (at, tenant) IN (SELECT at, tenant FROM (${OLDEST}))`,
      )
      .bind(limit),
  );
  const unfolded = batch.first(db.prepare(UNFOLDED));
  return () => unfolded() !== null;
}

/** Older rows that are not folded are not read: the clock folds within minutes. */
const UNFOLDED_MINUTES = 60;

/** What a row of a span says. */
interface Row {
  at: number;
  counts: Counts;
  causes: Counts;
}

/**
 * What was counted for the tenant in the spans that begin at these times, folded or not. `now`, in ms since the epoch, tells
 * which minutes may not be folded.
 */
export async function readSpans(
  db: D1Database,
  tenant: string,
  span: Span | typeof DAY_SPAN,
  begins: number[],
  now = Date.now(),
): Promise<Row[]> {
  const last = beginningOf(SPANS.minute, now) + SPANS.minute;
  const minutes = Array.from({ length: UNFOLDED_MINUTES + 2 }, (_, i) => last - i * SPANS.minute);
  const wanted = new Set(begins);
  const unfolded = span === DAY_SPAN ? [] : minutes.filter((at) => wanted.has(beginningOf(span, at)));
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT rollups.at, rollups.counts, rollups.causes FROM json_each(?1) AS wanted
         CROSS JOIN rollups ON rollups.span = ?2 AND rollups.at = wanted.value AND rollups.tenant = ?3
         UNION ALL
         SELECT rollups.at, rollups.counts, rollups.causes FROM json_each(?4) AS wanted
         CROSS JOIN rollups ON rollups.span = ${UNFOLDED_SPAN} AND rollups.at = wanted.value AND rollups.tenant = ?3`,
      )
      .bind(JSON.stringify(begins), span, tenant, JSON.stringify(unfolded))
      .all<{ at: number; counts: string; causes: string | null }>(),
  );
  return results.map(({ at, counts, causes }) => ({
    at,
    counts: JSON.parse(counts) as Counts,
    causes: causes === null ? {} : (JSON.parse(causes) as Counts),
  }));
}

/** The same without times and causes. */
export async function readRollups(
  db: D1Database,
  tenant: string,
  span: Span,
  begins: number[],
  now = Date.now(),
): Promise<Counts[]> {
  return (await readSpans(db, tenant, span, begins, now)).map(({ counts }) => counts);
}

const OLD_HOURS = `SELECT at, tenant, counts, causes FROM rollups WHERE span = ${SPANS.hour} AND at < ?2 ORDER BY at, tenant LIMIT ?1`;

const FOLD_DAYS = fold(DAY_SPAN, OLD_HOURS);

/**
 * Adds statements that fold at most `limit` old hours into days. Safe to repeat: folded rows are removed. The returned function
 * tells whether more may be left.
 */
export function addDays(batch: Batch, db: D1Database, now: number, limit: number): () => boolean {
  const before = beginningOf(DAY_SPAN, now - KEPT_MS.hour);
  batch.add(db.prepare(FOLD_DAYS).bind(limit, before));
  const folded = batch.changes(
    db
      .prepare(
        `DELETE FROM rollups WHERE span = ${SPANS.hour} AND (at, tenant) IN (SELECT at, tenant FROM (${OLD_HOURS}))`,
      )
      .bind(limit, before),
  );
  return () => folded() >= limit;
}

/** Removes minutes and days that no figure needs any more. */
export function forgetRollups(db: D1Database, now: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM rollups WHERE (span, at, tenant) IN (
         SELECT span, at, tenant FROM rollups WHERE (span = ${SPANS.minute} AND at < ?1 - ${KEPT_MS.minute})
           OR (span = ${DAY_SPAN} AND at < ?1 - ${KEPT_MS.day}) LIMIT ?2)`,
    )
    .bind(now, limit);
}
