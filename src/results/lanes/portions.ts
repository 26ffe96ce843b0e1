/**
 * Turns of tenants in a crowded lane (self-clocked fair queueing). Each portion has a tag: the tag of its tenant's last portion (of
 * the lane's first portion where the tenant has none) plus the portion's size divided by the tenant's weight. The portion with the
 * smallest tag comes next. So a tenant with few tasks comes soon however many others have, and no portion is overtaken without
 * end, because the smallest tag of a lane only grows.
 */

import type { Weights } from "../../core/weights.ts";
import { Batch, persist } from "../d1.ts";

/** What a tag grows by for a task of a tenant of weight 1; tags are whole numbers, because D1 may read a fraction inexactly. */
const UNIT = 1_000;

/** Portions at the front of a lane that are looked at. */
const LOOKED_AT = 500;

/** How long a portion is held by the worker that took it. Then any may take it: that worker may have died. */
export const HOLD_MS = 10_000;

const SORT = `
WITH rung AS (
  SELECT tasks.tenant, tasks.id, (ROW_NUMBER() OVER (PARTITION BY tasks.tenant ORDER BY bell.key) - 1) / CAST(?3 AS INTEGER) AS nth
  FROM json_each(?1) AS bell JOIN tasks ON tasks.id = bell.value WHERE tasks.state = 'queued'),
cut AS (
  SELECT tenant, nth, COUNT(*) AS size, json_group_array(id) AS ids FROM rung GROUP BY tenant, nth)
INSERT INTO portions (lane, tag, tenant, size, ids)
SELECT ?2,
  COALESCE(
    (SELECT MAX(tag) FROM portions WHERE lane = ?2 AND tenant = cut.tenant),
    (SELECT MIN(tag) FROM portions WHERE lane = ?2), 0)
  + CAST(SUM(size) OVER (PARTITION BY tenant ORDER BY nth) * ${UNIT}
      / COALESCE((SELECT value FROM json_each(?4) WHERE key = cut.tenant), 1) AS INTEGER),
  tenant, size, ids
FROM cut WHERE true ON CONFLICT DO NOTHING`;

const TAKE = `
UPDATE portions SET held_until = ?3 + ${HOLD_MS}, holder = ?2
WHERE lane = ?1 AND (tag, tenant) IN (
  SELECT tag, tenant FROM (
    SELECT tag, tenant, size, SUM(size) OVER (ORDER BY tag, tenant) AS total FROM (
      SELECT tag, tenant, size FROM (
        SELECT tag, tenant, size, held_until, holder FROM portions WHERE lane = ?1 ORDER BY tag, tenant LIMIT ${LOOKED_AT})
      WHERE (held_until IS NULL OR held_until <= ?3 OR holder = ?2) AND tenant NOT IN (SELECT value FROM json_each(?5))
      ORDER BY tag, tenant LIMIT ?4))
  WHERE total <= ?4 OR total = size)
RETURNING tag, tenant, ids`;

const LEFT = "SELECT EXISTS (SELECT 1 FROM portions WHERE lane = ?1 AND holder IS NOT ?2) AS isLeft";

const DONE = `
DELETE FROM portions WHERE lane = ?1 AND holder = ?2 AND (tag, tenant) IN (
  SELECT value->>'tag', value->>'tenant' FROM json_each(?3))`;

/** Which portions are taken, and about how many tasks. */
export interface Taking {
  lane: string;
  /** Names this taking alone. */
  holder: string;
  /** About how many tasks; a portion is not divided. */
  most: number;
  /** Tenants whose portions stay. */
  except: readonly string[];
  now: number;
}

export interface TakenPortions {
  /** Ids of tasks. */
  ids: string[];
  /** How many portions they were. */
  portions: number;
  /** Whether the lane has other portions, those that other events hold included. */
  isLeft: boolean;
  /** To be run with the claim: removes the portions. */
  done: D1PreparedStatement | null;
}

/** Tasks of bells, to be sorted into portions of their tenants. */
export interface Sorting {
  ids: readonly string[];
  /** Tasks of one portion. */
  size: number;
  weights: Weights;
}

/**
 * Sorts the tasks of bells into portions, and takes the portions whose turn it is; `most` of 0 takes none. Where the call is
 * repeated, because its answer was lost, portions may exist twice, or stay held until {@link HOLD_MS} is over: both only cost time.
 */
export async function turn(
  db: D1Database,
  { lane, holder, most, except, now }: Taking,
  sorting: Sorting | null,
): Promise<TakenPortions & { sorted: number }> {
  const batch = new Batch(db);
  const sorted =
    sorting === null
      ? () => 0
      : batch.changes(
          db.prepare(SORT).bind(JSON.stringify(sorting.ids), lane, sorting.size, JSON.stringify(sorting.weights)),
        );
  const take = db.prepare(TAKE).bind(lane, holder, now, most, JSON.stringify(except));
  const takenRows = most === 0 ? () => [] : batch.rows<{ tag: number; tenant: string; ids: string }>(take);
  const left = batch.first<{ isLeft: number }>(db.prepare(LEFT).bind(lane, holder));
  await batch.runTogether(persist);
  const taken = takenRows();
  const keys = JSON.stringify(taken.map(({ tag, tenant }) => ({ tag, tenant })));
  return {
    ids: taken.toSorted((a, b) => a.tag - b.tag).flatMap((row) => JSON.parse(row.ids) as string[]),
    portions: taken.length,
    isLeft: left()?.isLeft === 1,
    done: taken.length === 0 ? null : db.prepare(DONE).bind(lane, holder, keys),
    sorted: sorted(),
  };
}
