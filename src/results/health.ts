/** What a report on a tenant's health looks at, beside the rollups: in one round trip, and a bounded number of rows. */

import { LANES } from "../core/bounds.ts";
import { Batch, persistOr503 } from "./d1.ts";

/** Tasks with a timer that are looked at, those that are due first; each is read twice. */
const LOOKED_AT = 1_500;

/** The tenant's own tasks that have waited for long are counted up to this number in each lane. */
const SLOW_COUNTED = 200;

/** Schedules with a missed tick that a report names. */
const MAX_MISSED = 5;

export interface LiveLane {
  lane: string;
  state: "queued" | "running";
  count: number;
  /** ms since the epoch: since when it could have started, or runs. */
  since: number;
}

export interface HeldLane {
  name: string;
  how: "paused" | "draining";
  since: number;
  until: number | null;
  reason: string | null;
}

export interface MissedTick {
  schedule: string;
  /** ms since the epoch. */
  tick: number;
  /** Null: it has not come yet. */
  why: string | null;
}

const LIVE = `
SELECT tenant IS ?1 AND state IN ('queued', 'running') AND paused_at IS NULL AS own, lane, state, COUNT(*) AS count,
  MIN(CASE state WHEN 'running' THEN started_at ELSE run_at END) AS since, MAX(due_at) AS upTo
FROM (SELECT due_at, tenant, lane, state, run_at, started_at, paused_at FROM tasks INDEXED BY tasks_due
  WHERE due_at IS NOT NULL ORDER BY due_at LIMIT ${LOOKED_AT})
GROUP BY own, lane, state`;

/** A task is in the index of those that wait for long once the clock has postponed it until this much after its start, or longer. */
const SLOW_MS = 300_000;

// Finds the tasks that have waited for minutes, however many tasks other tenants have: the clock has postponed their timers, so
// they are in an index of their own. A partial index is used only where the query has its condition word for word. The result
// of the look is kept, because SQLite would look again for each mention of it.
const SLOW = `
WITH seen AS MATERIALIZED (
  SELECT lanes.value AS lane, (
    SELECT json_array(COUNT(*), MIN(run_at)) FROM (
      SELECT run_at, paused_at FROM tasks INDEXED BY tasks_slow
      WHERE state = 'queued' AND due_at > run_at + ${SLOW_MS} AND tenant = ?1 AND lane = lanes.value
      ORDER BY run_at LIMIT ${SLOW_COUNTED}) WHERE paused_at IS NULL) AS looked
  FROM json_each(?2) AS lanes)
SELECT lane, 'queued' AS state, looked->>0 AS count, looked->>1 AS since FROM seen WHERE looked->>0 > 0`;

const HELD = `
SELECT name, mode AS how, since, until, reason FROM lane_modes WHERE mode <> 'open' AND (until IS NULL OR until > ?1)`;

// A schedule that has ended has no next tick; it is left out, even if its last tick was missed.
const MISSED = `
SELECT id AS schedule, next_at AS nextAt, last_runs->0->>'tick' AS tick, last_runs->0->>'missed' AS why FROM schedules
WHERE tenant = ?1 AND paused = 0 AND next_at IS NOT NULL AND (next_at < ?2 OR last_runs->0->>'missed' IS NOT NULL)
ORDER BY id LIMIT ${MAX_MISSED + 1}`;

export interface Looked {
  live: LiveLane[];
  /** False: counts are lower bounds, and running tasks may be missing. */
  isWhole: boolean;
  /** Every task of the tenant that could have started before this was seen, in ms since the epoch. */
  seenBefore: number;
  held: HeldLane[];
  missed: MissedTick[];
  /** False: there are more of them. */
  isMissedWhole: boolean;
}

/** `lateBefore`: a tick that was due before it is late. Both in ms since the epoch. */
export async function readHealth(db: D1Database, tenant: string, now: number, lateBefore: number): Promise<Looked> {
  const batch = new Batch(db);
  const looked = batch.rows<LiveLane & { own: 0 | 1; upTo: number }>(db.prepare(LIVE).bind(tenant));
  const slow = batch.rows<LiveLane>(db.prepare(SLOW).bind(tenant, JSON.stringify(LANES)));
  const held = batch.rows<HeldLane>(db.prepare(HELD).bind(now));
  const missed = batch.rows<{ schedule: string; nextAt: number; tick: string | null; why: string | null }>(
    db.prepare(MISSED).bind(tenant, lateBefore),
  );
  await batch.run(persistOr503);
  const isWhole = looked().reduce((sum, { count }) => sum + count, 0) < LOOKED_AT;
  const upTo = looked().reduce((last, group) => Math.max(last, group.upTo), 0);
  return {
    live: together([...looked().filter(({ own }) => own === 1), ...slow()]),
    isWhole,
    // A task that is in neither look is due at `upTo` or later, and at most so long after its start: a clock that is late has not
    // postponed it.
    seenBefore: isWhole ? Infinity : upTo - SLOW_MS,
    held: held(),
    missed: missed()
      .slice(0, MAX_MISSED)
      .map(({ schedule, nextAt, tick, why }) =>
        nextAt < lateBefore ? { schedule, tick: nextAt, why: null } : { schedule, tick: Date.parse(tick ?? ""), why },
      ),
    isMissedWhole: missed().length <= MAX_MISSED,
  };
}

/** The two queries may count the same tasks, so the larger count is taken and not the sum. */
function together(looked: readonly LiveLane[]): LiveLane[] {
  const groups = Map.groupBy(looked, ({ lane, state }) => `${lane} ${state}`).values();
  return Array.from(groups, (own) => ({
    ...own[0]!,
    count: Math.max(...own.map(({ count }) => count)),
    since: Math.min(...own.map(({ since }) => since)),
  }));
}
