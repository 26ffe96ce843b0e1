/** The limits of tasks as parts of the statement that claims: one for each, joined where a task that is claimed has that limit. */

import { CIRCUIT_KEY } from "./circuits.ts";

/** The columns of `tasks` that hold limits. */
export const LIMITS = ["concurrency", "rates", "circuit"] as const;

export type Limit = (typeof LIMITS)[number];

/** SQL. `startable` is the condition for the tasks that could start if they had no limits; ?3 is the time. */
interface Part {
  /** A table with a row for each of these tasks and each of its keys. */
  asks: (startable: string) => string;
  /** The tasks that cannot start whatever the others do. `refused` does not count them, or it would keep room for them. */
  stuck: string;
  /** The tasks for which those before them leave no room. */
  refused: string;
}

/** Slots are given in the order of ids. Never more tasks than a key's limit run, however many claims there are at the same time. */
const CONCURRENCY: Part = {
  asks: (startable) => `
wanted AS MATERIALIZED (
  SELECT own.value->>'key' AS key, tasks.id AS task_id,
    limits.max - (SELECT COUNT(*) FROM places WHERE places.key = limits.key AND running = 1) AS room
  FROM tasks, json_each(tasks.concurrency) AS own JOIN limits ON limits.key = own.value->>'key'
  WHERE ${startable})`,
  stuck: "SELECT task_id FROM wanted WHERE room < 1",
  refused: `
  SELECT task_id FROM (
    SELECT task_id, room, ROW_NUMBER() OVER (PARTITION BY key ORDER BY task_id) AS nth
    FROM wanted WHERE task_id NOT IN (SELECT task_id FROM stuck))
  WHERE nth > room`,
};

/** Each start moves the bucket on by its interval; a task whose start would move it beyond its tolerance waits. */
const RATES: Part = {
  asks: (startable) => `
metered AS MATERIALIZED (
  SELECT own.value->>'key' AS key, tasks.id AS task_id, MAX(COALESCE(buckets.tat, 0), ?3) - ?3 AS debt,
    COALESCE(buckets.interval, own.value->>'interval') AS interval,
    COALESCE(buckets.tolerance, own.value->>'tolerance') AS tolerance
  FROM tasks, json_each(tasks.rates) AS own LEFT JOIN buckets ON buckets.key = own.value->>'key'
  WHERE ${startable})`,
  stuck: "SELECT task_id FROM metered WHERE debt > tolerance",
  refused: `
  SELECT task_id FROM (
    SELECT task_id, tolerance - debt AS spare,
      interval * (ROW_NUMBER() OVER (PARTITION BY key ORDER BY task_id) - 1) AS before
    FROM metered WHERE task_id NOT IN (SELECT task_id FROM stuck))
  WHERE before > spare`,
};

/** While a circuit is half open, one task may start, to probe it. */
const CIRCUIT: Part = {
  asks: (startable) => `
tripped AS MATERIALIZED (
  SELECT tasks.id AS task_id, circuits.task, circuits.open_until > ?3 OR circuits.probe IS NOT NULL AS shut
  FROM tasks JOIN circuits ON circuits.task = ${CIRCUIT_KEY}
  WHERE tasks.circuit IS NOT NULL AND circuits.open_until IS NOT NULL AND ${startable})`,
  stuck: "SELECT task_id FROM tripped WHERE shut",
  refused: `
  SELECT task_id FROM (
    SELECT task_id, ROW_NUMBER() OVER (PARTITION BY task ORDER BY task_id) AS nth
    FROM tripped WHERE task_id NOT IN (SELECT task_id FROM stuck))
  WHERE nth > 1`,
};

const PARTS: Record<Limit, Part> = { concurrency: CONCURRENCY, rates: RATES, circuit: CIRCUIT };

/** What a claim under these limits, at least one, puts before its statement: the tables `stuck` and `refused`. */
export function refusals(limits: readonly Limit[], startable: string): string {
  const parts = limits.map((limit) => PARTS[limit]);
  return `WITH${parts.map(({ asks }) => asks(startable)).join(",")},
stuck AS MATERIALIZED (
  ${parts.map(({ stuck }) => stuck).join("\n  UNION ALL ")}),
refused AS MATERIALIZED (
  SELECT task_id FROM stuck
  UNION ALL${parts.map(({ refused }) => refused).join("\n  UNION ALL")})`;
}

/** Whether a row of `tasks` has a limit that is not among these: SQL. Null where there is no other limit. */
export function hasOtherLimit(limits: readonly Limit[]): string | null {
  const others = LIMITS.filter((limit) => !limits.includes(limit));
  return others.length === 0 ? null : `(${others.map((limit) => `tasks.${limit} IS NOT NULL`).join(" OR ")})`;
}
