/** Circuit breakers that are not closed, and the tasks that they hold back. */

import { circuitOwner } from "../../core/circuit.ts";
import { Batch, persist } from "../d1.ts";
import type { Queued } from "../../core/states.ts";

/** Under which key of `circuits` a row of `tasks` is: an SQL expression. */
export const CIRCUIT_KEY = "COALESCE(tasks.circuit->>'key', tasks.task)";

/** Whether no circuit holds back a row of `tasks`: SQL. */
export const CIRCUIT_IS_CLOSED = `(tasks.circuit IS NULL OR NOT EXISTS (
  SELECT 1 FROM circuits WHERE circuits.task = ${CIRCUIT_KEY} AND circuits.open_until IS NOT NULL))`;

/** The tasks queued under the circuit ?1. Circuits of one tenant have an index of their own. */
const heldBy = (key: string) =>
  circuitOwner(key).tenant === null
    ? "task = ?1 AND circuit IS NOT NULL AND circuit->>'key' IS NULL AND state = 'queued'"
    : "circuit->>'key' IS NOT NULL AND circuit->>'key' = ?1 AND state = 'queued'";

/** A circuit that is open, half open, or has just closed. */
export interface Tripped {
  /** The task, with `@<tenant>` where it is one tenant's. */
  task: string;
  /** In ms since the epoch; in the past: half open; null: closed again. */
  openUntil: number | null;
  /** The id of the one task that probes the circuit; null while none does. */
  probe: string | null;
}

/** Answers {@link Tripped}. */
export const TRIPPED =
  "SELECT task, open_until AS openUntil, probe FROM circuits WHERE open_until IS NOT NULL OR release = 1 LIMIT 1000";

export async function readTripped(db: D1Database): Promise<Tripped[]> {
  const { results } = await persist(() => db.prepare(TRIPPED).all<Tripped>());
  return results;
}

/** The first tasks queued under the circuit `task`. */
export async function readCandidates(db: D1Database, task: string, limit: number): Promise<Queued[]> {
  const { results } = await persist(() =>
    db
      .prepare(`SELECT id, lane FROM tasks WHERE ${heldBy(task)} ORDER BY id LIMIT ?2`)
      .bind(task, limit)
      .all<Queued>(),
  );
  return results;
}

const wakeSql = (key: string) => `
UPDATE tasks SET due_at = ?2 WHERE id IN (
  SELECT id FROM tasks WHERE ${heldBy(key)} AND due_at > ?2 ORDER BY id LIMIT ?3)`;

const releasedSql = (key: string) => `
UPDATE circuits SET release = 0 WHERE task = ?1 AND release = 1 AND NOT EXISTS (
  SELECT 1 FROM tasks WHERE ${heldBy(key)} AND due_at > ?2)`;

/** Makes up to `limit` tasks due that a circuit has held back; answers whether there are more. */
export async function releaseCircuit(db: D1Database, task: string, now: number, limit: number): Promise<boolean> {
  const batch = new Batch(db);
  batch.add(db.prepare(wakeSql(task)).bind(task, now, limit), db.prepare(releasedSql(task)).bind(task, now));
  const circuit = batch.first<{ release: number }>(
    db.prepare("SELECT release FROM circuits WHERE task = ?1").bind(task),
  );
  await batch.run(persist);
  return circuit()?.release === 1;
}
