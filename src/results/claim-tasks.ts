/** Takes queued tasks for one attempt each: one transaction for a whole bell. */

import { ValueGoneError } from "../core/flows/value.ts";
import { LEASE_MS, TIMER_SLACK_MS } from "../core/bounds.ts";
import { ARROWS, sqlStates } from "../core/states.ts";
import { CIRCUIT_KEY } from "./limits/circuits.ts";
import { persist, rowsOf } from "./d1.ts";
import { laneIsOpen } from "./lanes/lanes.ts";
import { OVERFLOW, TASK_COLUMNS, type TaskRow } from "./task-row.ts";
import { orExpiry, TURN } from "./limits/rate-queue.ts";

/** A task that the caller now holds. `input` is null where it must be read by {@link readInput}. */
export interface ClaimedTask extends TaskRow {
  input: string | null;
  startedAt: number;
  leaseUntil: number;
  /** 1: its input depends on what its flow passes to it. */
  takesFromFlow: number;
  /** 1: its end may release others. */
  mayRelease: number;
  /** JSON of its {@link KeyLimit}s; null where it has none. */
  concurrency: string | null;
  /** Signals ever delivered to it. */
  signals: number;
  /** What is secret in its input, sealed; null: nothing is. */
  sealed: string | null;
}

/** What may start at ?3, as far as its own row says. */
const STARTABLE = `tasks.id IN (SELECT value FROM json_each(?1)) AND tasks.state IN ${sqlStates(ARROWS.claim.from)}
  AND NOT (tasks.started_at IS NULL AND tasks.expires_at IS NOT NULL AND tasks.expires_at <= ?3)
  AND ${laneIsOpen("?3")}`;

/** Whom no limit holds back. */
const FREE = `(tasks.concurrency IS NULL AND tasks.rates IS NULL AND tasks.circuit IS NULL
  OR tasks.id NOT IN (SELECT task_id FROM refused))`;

/**
 * The statement that claims of the ids ?1 those for which `which` (SQL) holds. `choose` makes of a condition the query for
 * the ids of those that start now, among all that could; without it all do.
 */
export function claimSql(which: string, choose?: (condition: string) => string): string {
  const startable = `${which} AND ${STARTABLE}`;
  const chosen = choose ? `,\nchosen AS MATERIALIZED (${choose(`${startable} AND ${FREE}`)})` : "";
  // Among those who ask, the first in line count first: never more than a key's limit run, whoever asks. Whoever
  // cannot start whatever the others do ('stuck') does not count, or it would keep the places of those behind it empty.
  return `
WITH wanted AS MATERIALIZED (
  SELECT own.value->>'key' AS key, tasks.id AS task_id,
    limits.max - (SELECT COUNT(*) FROM places WHERE places.key = limits.key AND running = 1) AS room
  FROM tasks, json_each(tasks.concurrency) AS own JOIN limits ON limits.key = own.value->>'key'
  WHERE ${startable}),
metered AS MATERIALIZED (
  SELECT own.value->>'key' AS key, tasks.id AS task_id, MAX(COALESCE(buckets.tat, 0), ?3) - ?3 AS debt,
    COALESCE(buckets.interval, own.value->>'interval') AS interval,
    COALESCE(buckets.tolerance, own.value->>'tolerance') AS tolerance
  FROM tasks, json_each(tasks.rates) AS own LEFT JOIN buckets ON buckets.key = own.value->>'key'
  WHERE ${startable}),
tripped AS MATERIALIZED (
  SELECT tasks.id AS task_id, circuits.task, circuits.open_until > ?3 OR circuits.probe IS NOT NULL AS shut
  FROM tasks JOIN circuits ON circuits.task = ${CIRCUIT_KEY}
  WHERE tasks.circuit IS NOT NULL AND circuits.open_until IS NOT NULL AND ${startable}),
stuck AS MATERIALIZED (
  SELECT task_id FROM metered WHERE debt > tolerance
  UNION ALL SELECT task_id FROM tripped WHERE shut
  UNION ALL SELECT task_id FROM wanted WHERE room < 1),
refused AS MATERIALIZED (
  SELECT task_id FROM stuck
  UNION ALL
  SELECT task_id FROM (
    SELECT task_id, tolerance - debt AS spare,
      interval * (ROW_NUMBER() OVER (PARTITION BY key ORDER BY task_id) - 1) AS before
    FROM metered WHERE task_id NOT IN (SELECT task_id FROM stuck))
  WHERE before > spare
  UNION ALL
  SELECT task_id FROM (
    SELECT task_id, room, ROW_NUMBER() OVER (PARTITION BY key ORDER BY task_id) AS nth
    FROM wanted WHERE task_id NOT IN (SELECT task_id FROM stuck))
  WHERE nth > room
  UNION ALL
  SELECT task_id FROM (
    SELECT task_id, ROW_NUMBER() OVER (PARTITION BY task ORDER BY task_id) AS nth
    FROM tripped WHERE task_id NOT IN (SELECT task_id FROM stuck))
  WHERE nth > 1)${chosen}
UPDATE tasks SET state = 'running', attempt = attempt + 1, holder = ?2, started_at = ?3,
  lease_until = ?3 + COALESCE(lease_ms, ${LEASE_MS}), waiting_for = NULL
WHERE ${choose ? "tasks.id IN (SELECT id FROM chosen)" : `${startable} AND ${FREE}`}`;
}

/** Those whom an open circuit holds back are rung for when it closes; this is for a bell that is lost then. */
const HELD_MS = 600_000;

// The first of them is looked at when one may try.
const HELD = `
UPDATE tasks SET due_at = ${orExpiry("held.at")}
FROM (SELECT tasks.id, MAX(circuits.open_until, ?2 + 1000)
    + MIN(ROW_NUMBER() OVER (PARTITION BY circuits.task ORDER BY tasks.id) - 1, 1) * ${HELD_MS} AS at
  FROM tasks JOIN circuits ON circuits.task = ${CIRCUIT_KEY}
  WHERE tasks.id IN (SELECT value FROM json_each(?1)) AND tasks.state = 'queued' AND tasks.circuit IS NOT NULL
    AND circuits.open_until IS NOT NULL) AS held
WHERE tasks.id = held.id AND tasks.state = 'queued'`;

// Apart from the claim, because naming an indexed column costs a row even where it stays the same:
// the timer of a task that was claimed soon after its bell already stands where the lease ends.
const TIMER = `
UPDATE tasks SET due_at = lease_until
WHERE id IN (SELECT value FROM json_each(?1)) AND holder = ?2 AND state = 'running'
  AND due_at > lease_until + ${TIMER_SLACK_MS}`;

const OURS = `
SELECT ${TASK_COLUMNS}, input,
  (tasks.node->'passed' IS NOT NULL OR tasks.node->'from' IS NOT NULL) AS takesFromFlow,
  tasks.node IS NOT NULL AS mayRelease, tasks.signals, tasks.concurrency, tasks.sealed
FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND holder = ?2 AND state = 'running'`;

/** `tried`: SQL of the time ?2: whom a limit has held back and nothing else. */
const waitingSql = (tried: string) => `
SELECT MIN(due_at) FILTER (WHERE rates IS NOT NULL OR circuit IS NOT NULL) AS at,
  json_group_array(id) FILTER (WHERE started_at IS NULL AND rates->0->>'drop' AND ${tried}) AS impatient,
  json_group_array(DISTINCT rates->0->>'key') FILTER (WHERE rates IS NOT NULL AND batch IS NULL) AS rates,
  json_group_array(id) FILTER (WHERE batch IS NOT NULL) AS gathering, MAX(batch->>'size') AS size
FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued'
  AND (rates IS NOT NULL OR circuit IS NOT NULL OR batch IS NOT NULL)`;

interface Waiting {
  at: number | null;
  rates: string;
  impatient: string;
  gathering: string;
  size: number | null;
}

/** What a claim has got. */
export interface Claim {
  claimed: ClaimedTask[];
  /** When the clock must look at the next of those that a rate, a circuit or their batch holds back, in ms since the epoch; null where no timer was set. */
  nextTurn: number | null;
  /** The rates under whose lines some of them wait. */
  rates: string[];
  /** Ids of those that wait, though they would rather end. */
  impatient: string[];
  /** Ids of those that start only with others, and the size of the largest of their batches. */
  gathering: string[];
  size: number;
}

/** What a claim of tasks that start alone has another of than one of those that start together. */
export interface Claiming {
  claim: string;
  tried: string;
  /** Sets timers of those of ?1 that are left at ?2, and answers when they are due. */
  timers?: string;
}

// Names the time only because every parameter must be named.
const ALONE: Claiming = { claim: claimSql("tasks.batch IS NULL"), tried: "batch IS NULL AND ?2 IS NOT NULL" };

/**
 * Claims those of `ids` that are queued and answers them. `holder` names this claim alone: asked
 * again with the same one, it answers the same tasks. `also` is done in the same transaction.
 */
export async function claimTasks(
  db: D1Database,
  ids: string[],
  holder: string,
  now: number,
  { claim, tried, timers }: Claiming = ALONE,
  also: readonly D1PreparedStatement[] = [],
): Promise<Claim> {
  const list = JSON.stringify(ids);
  const results = await persist(() =>
    db.batch([
      db.prepare(claim).bind(list, holder, now),
      db.prepare(TIMER).bind(list, holder),
      db.prepare(OURS).bind(list, holder),
      db.prepare(TURN).bind(list, now),
      db.prepare(HELD).bind(list, now),
      db.prepare(waitingSql(tried)).bind(list, now),
      ...(timers === undefined ? [] : [db.prepare(timers).bind(list, now)]),
      ...also,
    ]),
  );
  const [waiting] = rowsOf<Waiting>(results, 5);
  const timed = timers === undefined ? [] : rowsOf<{ at: number }>(results, 6);
  const turns = [waiting?.at ?? null, ...timed.map((row) => row.at)].filter((at) => at !== null);
  return {
    claimed: rowsOf<ClaimedTask>(results, 2),
    nextTurn: turns.length > 0 ? Math.min(...turns) : null,
    rates: JSON.parse(waiting?.rates ?? "[]") as string[],
    impatient: JSON.parse(waiting?.impatient ?? "[]") as string[],
    gathering: JSON.parse(waiting?.gathering ?? "[]") as string[],
    size: waiting?.size ?? 0,
  };
}

/**
 * The input of a claimed task as JSON text, wherever it lies; null where the submission gave none. Throws a
 * {@link ValueGoneError} where it gave one that is not there.
 */
export async function readInput(db: D1Database, task: ClaimedTask): Promise<string | null> {
  if (!(task.overflow & OVERFLOW.input)) return task.input;
  const body = await persist(() =>
    db.prepare("SELECT body FROM payloads WHERE task_id = ?1 AND kind = 'input'").bind(task.id).first<string>("body"),
  );
  if (body === null) throw new ValueGoneError([task.id], `the input of ${task.id} is gone`);
  return body;
}
