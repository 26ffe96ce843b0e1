/**
 * Rollups: what was counted in a span of time, one row for each tenant and span. So what happened
 * in a day is read from a few rows, however much it was.
 */

import { persist, persistOr503 } from "./d1.ts";
import type { Counts } from "../core/counts.ts";

/** How long a span is, in ms; `total` is all of time. */
export const SPANS = { minute: 60_000, hour: 3_600_000, total: 0 } as const;

export type Span = (typeof SPANS)[keyof typeof SPANS];

/** Minutes are kept for the last hour's figures, hours for the last day's. */
const KEPT_MS = { minute: 2 * SPANS.hour, hour: 48 * SPANS.hour } as const;

export interface Rollup {
  tenant: string;
  span: Span;
  /** The span's beginning, in ms since the epoch. */
  at: number;
  counts: Counts;
}

/** The beginning of the span that `at` lies in. */
export function beginningOf(span: Span, at: number): number {
  return span === SPANS.total ? 0 : Math.floor(at / span) * span;
}

const ADD = `
INSERT INTO rollups (span, at, tenant, counts)
SELECT value->>'span', value->>'at', value->>'tenant', value->>'counts' FROM json_each(?1) WHERE true
ON CONFLICT (span, at, tenant) DO UPDATE SET counts = (
  SELECT json_group_object(key, total) FROM (
    SELECT key, SUM(value) AS total FROM (
      SELECT key, value FROM json_each(rollups.counts) UNION ALL SELECT key, value FROM json_each(excluded.counts))
    GROUP BY key))`;

/** Adds these to what was counted. Not safe to repeat, so it is tried once: rather some seconds are missing than counted twice. */
export async function addRollups(db: D1Database, rollups: Rollup[]): Promise<void> {
  await db.prepare(ADD).bind(JSON.stringify(rollups)).run();
}

/** What was counted for the tenant in the spans that begin at these times. */
export async function readRollups(db: D1Database, tenant: string, span: Span, begins: number[]): Promise<Counts[]> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT rollups.counts FROM json_each(?1) AS wanted
         CROSS JOIN rollups ON rollups.span = ?2 AND rollups.at = wanted.value AND rollups.tenant = ?3`,
      )
      .bind(JSON.stringify(begins), span, tenant)
      .all<{ counts: string }>(),
  );
  return results.map((row) => JSON.parse(row.counts) as Counts);
}

/** Forgets the spans that no figure is made of any more. */
export async function forgetRollups(db: D1Database, now: number): Promise<void> {
  await persist(() =>
    db.batch(
      (["minute", "hour"] as const).map((name) =>
        db.prepare("DELETE FROM rollups WHERE span = ?1 AND at < ?2").bind(SPANS[name], now - KEPT_MS[name]),
      ),
    ),
  );
}
