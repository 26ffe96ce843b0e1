/** What holds a task back, as it stands in D1. */

import { LIVE_STATES, sqlStates, type State } from "../core/states.ts";
import { CIRCUIT_KEY } from "./limits/circuits.ts";
import { Batch, persistOr503 } from "./d1.ts";
import { isHeldAs, LANE_MODES, type LaneRow } from "./lanes/lanes.ts";

/** Ids named at most. */
const MAX_IDS = 100;

/** Members of a flow followed to find those that it waits for in the end. */
const MAX_FOLLOWED = 1_000;

/** A member of a flow that can move by itself. */
export interface Front {
  id: string;
  /** Its key in the flow. */
  key: string | null;
  task: string;
  state: State;
}

export interface Needs {
  /** The unfinished tasks that it waits for, and whether there are more. */
  ids: string[];
  more: boolean;
  /** Of those, and of all that they wait for in turn, those that wait for no other member themselves. */
  front: Front[];
}

const NEEDS_OF_TASK = `json_each(json_array(task.node->'$.needs', task.node->'$.needsEnd')) AS kind, json_each(kind.value) AS need`;

const UNFINISHED = `
SELECT needed.id FROM tasks AS task, ${NEEDS_OF_TASK} JOIN tasks AS needed ON needed.id = need.value
WHERE task.id = ?1 AND needed.state IN ${sqlStates(LIVE_STATES)} LIMIT ${MAX_IDS + 1}`;

const isBlocked = (alias: string) =>
  `${alias}.state = 'waiting' AND COALESCE(${alias}.waiting_for->>'type', 'needs') = 'needs'`;

const FRONT = `
WITH RECURSIVE before (id) AS (
  SELECT ?1
  UNION
  SELECT needed.id FROM before JOIN tasks AS task ON task.id = before.id, ${NEEDS_OF_TASK}
    JOIN tasks AS needed ON needed.id = need.value
  WHERE ${isBlocked("task")} AND needed.state IN ${sqlStates(LIVE_STATES)} LIMIT ${MAX_FOLLOWED})
SELECT tasks.id, tasks.node_key AS key, tasks.task, tasks.state FROM before JOIN tasks ON tasks.id = before.id
WHERE NOT (${isBlocked("tasks")}) LIMIT ${MAX_IDS}`;

/** What a member of a flow waits for. */
export async function readUnfinishedNeeds(db: D1Database, id: string): Promise<Needs> {
  const batch = new Batch(db);
  const unfinished = batch.rows<{ id: string }>(db.prepare(UNFINISHED).bind(id));
  const front = batch.rows<Front>(db.prepare(FRONT).bind(id));
  await batch.run(persistOr503);
  const ids = unfinished().map((row) => row.id);
  return { ids: ids.slice(0, MAX_IDS), more: ids.length > MAX_IDS, front: front() };
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

const CIRCUIT = `
SELECT open_until AS openUntil, (SELECT id FROM tasks AS own WHERE own.id = probe AND own.tenant = tasks.tenant) AS probe
FROM tasks JOIN circuits ON circuits.task = ${CIRCUIT_KEY}
WHERE tasks.id = ?1 AND tasks.circuit IS NOT NULL AND open_until IS NOT NULL`;

export async function readConstraints(db: D1Database, id: string, lane: string, now: number): Promise<Constraints> {
  const batch = new Batch(db);
  const limits = batch.first<Pick<Constraints, "concurrency" | "rates">>(
    db.prepare("SELECT concurrency, rates FROM tasks WHERE id = ?1").bind(id),
  );
  const paused = batch.first<LaneRow>(db.prepare(`${LANE_MODES} WHERE name = ?1`).bind(lane));
  const circuit = batch.first<NonNullable<Constraints["circuit"]>>(db.prepare(CIRCUIT).bind(id));
  await batch.run(persistOr503);
  const row = paused();
  return {
    concurrency: limits()?.concurrency ?? null,
    rates: limits()?.rates ?? null,
    circuit: circuit(),
    lane: row !== null && isHeldAs("paused", row, now) ? { reason: row.reason, until: row.until } : null,
  };
}

export interface Bucket {
  key: string;
  /** When the next token is due, in ms since the epoch, and how early it may be used. */
  tat: number;
  tolerance: number;
  /** Between two tokens, in ms. */
  interval: number;
}

export async function readBuckets(db: D1Database, keys: string[]): Promise<Bucket[]> {
  if (keys.length === 0) return [];
  const { results } = await persistOr503(() =>
    db
      .prepare("SELECT key, tat, tolerance, interval FROM buckets WHERE key IN (SELECT value FROM json_each(?1))")
      .bind(JSON.stringify(keys))
      .all<Bucket>(),
  );
  return results;
}
