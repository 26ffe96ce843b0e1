/** Claims queued tasks for one attempt each: one statement for all tasks of a bell, where none of them has limits. */

import { log } from "../core/log.ts";
import { ValueGoneError } from "../core/flows/value.ts";
import { LEASE_MS, TIMER_SLACK_MS } from "../core/bounds.ts";
import type { WaitCause } from "../core/series.ts";
import { ARROWS, sqlStates } from "../core/states.ts";
import { earliest } from "../core/wake.ts";
import { Batch, persist } from "./d1.ts";
import { CIRCUIT_IS_CLOSED, CIRCUIT_KEY } from "./limits/circuits.ts";
import { hasOtherLimit, LIMITS, refusals, type Limit } from "./limits/claim-parts.ts";
import { limitsMet, noteLimits } from "./limits/limits-met.ts";
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
  /** The limit that may have held it back; null where it has none. */
  limitedBy: WaitCause | null;
  /** Signals ever delivered to it. */
  signals: number;
  /** What is secret in its input, sealed; null: nothing is. */
  sealed: string | null;
}

/** Which tasks may start at the time `at`, as far as their own rows and lanes say: SQL. */
const startable = (at: string) => `
  tasks.id IN (SELECT value FROM json_each(?1)) AND tasks.state IN ${sqlStates(ARROWS.claim.from)}
  AND NOT (tasks.started_at IS NULL AND tasks.expires_at IS NOT NULL AND tasks.expires_at <= ${at})
  AND ${laneIsOpen(at)}`;

const START = `UPDATE tasks SET state = 'running', attempt = attempt + 1, holder = ?2, started_at = ?3,
  lease_until = ?3 + COALESCE(lease_ms, ${LEASE_MS}), waiting_for = NULL, paused_at = NULL`;

const CLAIMED_COLUMNS = `${TASK_COLUMNS}, tasks.input,
  (tasks.node->'passed' IS NOT NULL OR tasks.node->'from' IS NOT NULL) AS takesFromFlow,
  tasks.node IS NOT NULL AS mayRelease, tasks.signals, tasks.concurrency, tasks.sealed,
  CASE WHEN tasks.rates IS NOT NULL THEN 'rate' WHEN tasks.concurrency IS NOT NULL THEN 'concurrency'
    WHEN tasks.batch IS NOT NULL THEN 'batch' WHEN tasks.circuit IS NOT NULL THEN 'circuit' END AS limitedBy`;

// Setting an indexed column costs a row even where its value stays the same. The timer of a task that is claimed soon after
// its bell is already at the end of the lease; a statement of its own moves other timers.
const PLAIN = `${START}
WHERE ${startable("?3")} AND tasks.batch IS NULL AND tasks.concurrency IS NULL AND tasks.rates IS NULL AND ${CIRCUIT_IS_CLOSED}
  AND COALESCE(tasks.due_at, 0) <= ?3 + COALESCE(tasks.lease_ms, ${LEASE_MS}) + ${TIMER_SLACK_MS}
RETURNING ${CLAIMED_COLUMNS}`;

const TIMER = `
UPDATE tasks SET due_at = lease_until
WHERE id IN (SELECT value FROM json_each(?1)) AND holder = ?2 AND state = 'running'
  AND due_at > lease_until + ${TIMER_SLACK_MS}`;

const OURS = `
SELECT ${CLAIMED_COLUMNS} FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND holder = ?2 AND state = 'running'`;

/** When a circuit closes, the tasks that it held back get a message; this timer is for one that is lost. */
const HELD_MS = 600_000;

// The clock looks at the first of them when a task may probe the circuit, and at the others later.
const HELD = `
UPDATE tasks SET due_at = ${orExpiry("held.at")}
FROM (SELECT tasks.id, MAX(circuits.open_until, ?2 + 1000)
    + MIN(ROW_NUMBER() OVER (PARTITION BY circuits.task ORDER BY tasks.id) - 1, 1) * ${HELD_MS} AS at
  FROM tasks JOIN circuits ON circuits.task = ${CIRCUIT_KEY}
  WHERE tasks.id IN (SELECT value FROM json_each(?1)) AND tasks.state = 'queued' AND tasks.circuit IS NOT NULL
    AND circuits.open_until IS NOT NULL) AS held
WHERE tasks.id = held.id AND tasks.state = 'queued'`;

/** Tasks that a claim may take: those that start alone, or those that start together. */
export interface Claiming {
  /** Which tasks: SQL. */
  which: string;
  /** The query for the ids that start now, among the tasks of a condition; without it all of them start. */
  choose?: (condition: string) => string;
  /** Which of them nothing but a limit has held back at ?2: SQL. */
  tried: string;
  /** Sets timers of those of ?1 that are left at ?2, and answers when they are due. */
  timers?: string;
}

const ALONE: Claiming = { which: "tasks.batch IS NULL", tried: "batch IS NULL" };

/** The statement that claims tasks which have no other limits than these. */
function claimSql(limits: readonly Limit[], { which, choose }: Claiming): string {
  const other = hasOtherLimit(limits);
  const could = `${which} AND ${startable("?3")}${other === null ? "" : ` AND NOT ${other}`}`;
  const may = limits.length === 0 ? could : `${could} AND tasks.id NOT IN (SELECT task_id FROM refused)`;
  const before = limits.length === 0 ? "" : refusals(limits, could);
  if (choose === undefined) return `${before}\n${START}\nWHERE ${may}`;
  return `${before === "" ? "WITH" : `${before},`} chosen AS MATERIALIZED (${choose(may)})
${START}
WHERE tasks.id IN (SELECT id FROM chosen)`;
}

/** What holds back those of ?1 that are still queued at ?2. */
const leftSql = ({ which, tried }: Claiming) => `
SELECT MIN(due_at) FILTER (WHERE rates IS NOT NULL OR circuit IS NOT NULL) AS at,
  json_group_array(id) FILTER (WHERE started_at IS NULL AND rates->0->>'drop' AND ${tried}) AS impatient,
  json_group_array(DISTINCT rates->0->>'key') FILTER (WHERE rates IS NOT NULL AND batch IS NULL) AS waitsFor,
  json_group_array(id) FILTER (WHERE batch IS NOT NULL) AS gathering, MAX(batch->>'size') AS size,
  MAX(could AND ${which}) AS could,
  ${LIMITS.map((limit) => `MAX(could AND ${limit} IS NOT NULL) AS ${limit}`).join(", ")}
FROM (
  SELECT id, run_at, due_at, started_at, batch, ${LIMITS.join(", ")}, ${startable("?2")} AS could
  FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued') AS tasks`;

interface LeftRow extends Record<Limit, 0 | 1 | null> {
  at: number | null;
  impatient: string;
  waitsFor: string;
  gathering: string;
  size: number | null;
  could: 0 | 1 | null;
}

/** What a claim took, and what it left. */
export interface Claim {
  claimed: ClaimedTask[];
  /**
   * When the clock must look at the next of those that a rate, a circuit or their batch holds back, in ms since the epoch; null
   * where no timer was set.
   */
  nextTurn: number | null;
  /** The keys of the rates that some of them wait for. */
  rates: string[];
  /** Ids of those left over that must end instead of waiting where they are over their rate (`onLimit: "drop"`). */
  impatient: string[];
  /** Ids of those that start only with others, and the size of the largest of their batches. */
  gathering: string[];
  size: number;
}

interface Answer extends Claim {
  /** Whether it has left a task that neither its own row nor its lane holds back. */
  could: boolean;
  /** The limits of such tasks, and of those that start together. */
  limits: Limit[];
}

/**
 * Claims those of `ids` that are queued and start alone, and answers them. `holder` names this claim alone: asked
 * again with the same one, it answers the same tasks. `also` is run in the same transaction as the first statement.
 * A claim of tasks without limits is one statement. Where that leaves some, it reads which limits they have, and claims under those.
 */
export async function claimTasks(
  db: D1Database,
  ids: string[],
  holder: string,
  now: number,
  also: readonly D1PreparedStatement[] = [],
): Promise<Claim> {
  const met = limitsMet(now);
  const first = await (met.length === 0
    ? claimPlain(db, ids, holder, now, also)
    : claimUnder(db, ids, met, holder, now, ALONE, also));
  if (first.claimed.length === ids.length) return first;
  try {
    return await claimRest(db, ids, met, first, holder, now);
  } catch (error) {
    if (first.claimed.length === 0) throw error;
    // The claimed tasks must run, so the error goes no further. The clock sends messages for the others when they are due.
    const left = ids.length - first.claimed.length;
    log("claim_not_completed", { ids: left, error });
    return first;
  }
}

const NOTHING_LEFT = { nextTurn: null, rates: [], impatient: [], gathering: [], size: 0, could: false, limits: [] };

async function claimPlain(
  db: D1Database,
  ids: string[],
  holder: string,
  now: number,
  also: readonly D1PreparedStatement[],
): Promise<Answer> {
  const batch = new Batch(db);
  const claimed = batch.rows<ClaimedTask>(db.prepare(PLAIN).bind(JSON.stringify(ids), holder, now));
  batch.add(...also);
  await batch.runTogether(persist);
  return { claimed: claimed(), ...NOTHING_LEFT };
}

/** Claims what `first`, a claim under the limits `met`, has left; answers all of `ids` that `holder` then holds. */
async function claimRest(
  db: D1Database,
  ids: string[],
  met: Limit[],
  first: Answer,
  holder: string,
  now: number,
): Promise<Answer> {
  const left = met.length === 0 ? await answerOf(db, ids, [], holder, now, ALONE) : first;
  const others = left.limits.filter((limit) => !met.includes(limit));
  if (others.length === 0 && (met.length > 0 || !left.could)) return left;
  noteLimits(others, now);
  return claimUnder(db, ids, [...met, ...others], holder, now, ALONE);
}

/** Claims those of `ids` that have no other limits than these. */
export async function claimUnder(
  db: D1Database,
  ids: string[],
  limits: readonly Limit[],
  holder: string,
  now: number,
  how: Claiming,
  also: readonly D1PreparedStatement[] = [],
): Promise<Answer> {
  const list = JSON.stringify(ids);
  return answerOf(
    db,
    ids,
    [
      ...also,
      db.prepare(claimSql(limits, how)).bind(list, holder, now),
      db.prepare(TIMER).bind(list, holder),
      ...(limits.includes("rates") ? [db.prepare(TURN).bind(list, now)] : []),
      ...(limits.includes("circuit") ? [db.prepare(HELD).bind(list, now)] : []),
    ],
    holder,
    now,
    how,
  );
}

/** Runs these statements, and answers which of `ids` `holder` then holds and how the others stand. */
async function answerOf(
  db: D1Database,
  ids: string[],
  statements: D1PreparedStatement[],
  holder: string,
  now: number,
  how: Claiming,
): Promise<Answer> {
  const list = JSON.stringify(ids);
  const batch = new Batch(db);
  batch.add(...statements);
  const claimed = batch.rows<ClaimedTask>(db.prepare(OURS).bind(list, holder));
  const leftRows = batch.rows<LeftRow>(db.prepare(leftSql(how)).bind(list, now));
  const { timers } = how;
  const turns = timers === undefined ? () => [] : batch.rows<{ at: number }>(db.prepare(timers).bind(list, now));
  await batch.run(persist);
  const left = leftRows()[0]!;
  return {
    claimed: claimed(),
    nextTurn: earliest([left.at, ...turns().map((row) => row.at)]),
    rates: JSON.parse(left.waitsFor) as string[],
    impatient: JSON.parse(left.impatient) as string[],
    gathering: JSON.parse(left.gathering) as string[],
    size: left.size ?? 0,
    could: left.could === 1,
    limits: LIMITS.filter((limit) => left[limit] === 1),
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
