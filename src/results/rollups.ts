/**
 * Rollups: what was counted in a span of time, one row for each tenant and span. So what happened
 * in a day is read from a few rows, however much it was.
 */

import { type Batch, persistOr503 } from "./d1.ts";
import { addFailures, type Failures } from "./error-groups.ts";
import { addStatement, type TenantUse } from "./usage.ts";
import type { Counts } from "../core/counts.ts";

/** How long a span is, in ms; `total` is all of time. */
export const SPANS = { minute: 60_000, hour: 3_600_000, total: 0 } as const;

export type Span = (typeof SPANS)[keyof typeof SPANS];

/**
 * The span of counts that workers have written for a minute and the clock has not folded yet. The clock moves them into the
 * minute, the hour and the total, so that workers write one row instead of three. Readers add them.
 */
export const UNFOLDED_SPAN = 1 as const;

/** Minutes are kept for the last hour's figures, hours for the last day's. */
const KEPT_MS = { minute: 2 * SPANS.hour, hour: 48 * SPANS.hour } as const;

export interface Rollup {
  tenant: string;
  span: Span | typeof UNFOLDED_SPAN;
  /** The span's beginning, in ms since the epoch. */
  at: number;
  counts: Counts;
}

/** The beginning of the span that `at` lies in. */
export function beginningOf(span: Span, at: number): number {
  return span === SPANS.total ? 0 : Math.floor(at / span) * span;
}

/** Where the row exists, it gets the sums of both. */
const MERGE = `ON CONFLICT (span, at, tenant) DO UPDATE SET counts = (
  SELECT json_group_object(key, total) FROM (
    SELECT key, SUM(value) AS total FROM (
      SELECT key, value FROM json_each(rollups.counts) UNION ALL SELECT key, value FROM json_each(excluded.counts))
    GROUP BY key))`;

const ADD = `
INSERT INTO rollups (span, at, tenant, counts)
SELECT value->>'span', value->>'at', value->>'tenant', value->>'counts' FROM json_each(?1) WHERE true
${MERGE}`;

/** Adds these counts, what tenants use, and what has failed. Not safe to repeat, so it is tried once: better lose some seconds than count them twice. */
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

/** The oldest rows that are not folded: the same ones for every statement of a transaction. */
const OLDEST = `SELECT at, tenant, counts FROM rollups WHERE span = ${UNFOLDED_SPAN} ORDER BY at, tenant LIMIT ?1`;

/** Answers a row where anything is not folded. */
export const UNFOLDED = `SELECT 1 AS unfolded FROM rollups WHERE span = ${UNFOLDED_SPAN} LIMIT 1`;

function fold(span: Span): string {
  const at = span === SPANS.total ? "0" : `oldest.at / ${span} * ${span}`;
  return `
INSERT INTO rollups (span, at, tenant, counts)
SELECT ${span}, at, tenant, json_group_object(key, total) FROM (
  SELECT ${at} AS at, oldest.tenant, counter.key, SUM(counter.value) AS total
  FROM (${OLDEST}) AS oldest, json_each(oldest.counts) AS counter GROUP BY 1, 2, 3)
WHERE true GROUP BY at, tenant
${MERGE}`;
}

const FOLDS = Object.values(SPANS).map(fold);

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

/**
 * What was counted for the tenant in the spans that begin at these times, folded or not. `now`, in ms since the epoch, tells
 * which minutes may not be folded.
 */
export async function readRollups(
  db: D1Database,
  tenant: string,
  span: Span,
  begins: number[],
  now = Date.now(),
): Promise<Counts[]> {
  const last = beginningOf(SPANS.minute, now) + SPANS.minute;
  const minutes = Array.from({ length: UNFOLDED_MINUTES + 2 }, (_, i) => last - i * SPANS.minute);
  const unfolded = minutes.filter((at) => begins.includes(beginningOf(span, at)));
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT rollups.counts FROM json_each(?1) AS wanted
         CROSS JOIN rollups ON rollups.span = ?2 AND rollups.at = wanted.value AND rollups.tenant = ?3
         UNION ALL
         SELECT rollups.counts FROM json_each(?4) AS wanted
         CROSS JOIN rollups ON rollups.span = ${UNFOLDED_SPAN} AND rollups.at = wanted.value AND rollups.tenant = ?3`,
      )
      .bind(JSON.stringify(begins), span, tenant, JSON.stringify(unfolded))
      .all<{ counts: string }>(),
  );
  return results.map((row) => JSON.parse(row.counts) as Counts);
}

const OUTDATED = (["minute", "hour"] as const)
  .map((name) => `(span = ${SPANS[name]} AND at < ?1 - ${KEPT_MS[name]})`)
  .join(" OR ");

/** Removes the spans that no figure needs any more. */
export function forgetRollups(db: D1Database, now: number, limit: number): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM rollups WHERE (span, at, tenant) IN (SELECT span, at, tenant FROM rollups WHERE ${OUTDATED} LIMIT ?2)`,
    )
    .bind(now, limit);
}
