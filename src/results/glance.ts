/** All that a tick of the clock must know, in one round trip: what is due, and which other work there may be. */

import { TRIPPED, type Tripped } from "./limits/circuits.ts";
import { Batch, persist } from "./d1.ts";
import { dueStatement, nextDueStatement, type DueTask } from "./due-tasks.ts";
import { NEXT_DEADLINE } from "./flows/deadlines.ts";
import { LANE_MODES, type LaneRow } from "./lanes/lanes.ts";
import { OWES } from "./webhooks/owed.ts";
import { ANY_WAITER } from "./limits/slots.ts";
import { NEXT_TICK } from "./schedules/read.ts";
import { UNFOLDED } from "./rollups.ts";
import { WATCHED } from "./alerts.ts";

/** Instants are ms since the epoch; null: never. */
export interface Glance {
  due: DueTask[];
  /** The first that is due later. */
  nextDue: number | null;
  lanes: LaneRow[];
  /** The next tick of a schedule. */
  nextTick: number | null;
  /** The next deadline of a flow. */
  nextDeadline: number | null;
  /** Whether webhooks must be told of an end. */
  owes: boolean;
  tripped: Tripped[];
  /** Whether a task waits for a slot under a concurrency key. */
  hasWaiters: boolean;
  /** Whether counts wait to be folded. */
  unfolded: boolean;
  /** Whether an endpoint listens to alerts, or one is raised. */
  watched: boolean;
}

/** Answers at most `limit` of the rows that are due at `now`, without running ones among `except`. */
export async function glance(
  db: D1Database,
  now: number,
  limit: number,
  except: readonly string[] = [],
): Promise<Glance> {
  const batch = new Batch(db);
  const due = batch.rows<DueTask>(dueStatement(db, now, limit, except));
  const nextDue = batch.first<{ dueAt: number }>(nextDueStatement(db, now));
  const lanes = batch.rows<LaneRow>(db.prepare(LANE_MODES));
  const nextTick = batch.first<{ nextAt: number }>(db.prepare(NEXT_TICK));
  const nextDeadline = batch.first<{ deadline: number }>(db.prepare(NEXT_DEADLINE));
  const owes = batch.first(db.prepare(OWES));
  const tripped = batch.rows<Tripped>(db.prepare(TRIPPED));
  const waiter = batch.first(db.prepare(ANY_WAITER));
  const waiting = batch.first<{ unfolded: 0 | 1; watched: 0 | 1 }>(
    db.prepare(`SELECT EXISTS (${UNFOLDED}) AS unfolded, EXISTS (${WATCHED}) AS watched`),
  );
  await batch.run(persist);
  return {
    due: due(),
    nextDue: nextDue()?.dueAt ?? null,
    lanes: lanes(),
    nextTick: nextTick()?.nextAt ?? null,
    nextDeadline: nextDeadline()?.deadline ?? null,
    owes: owes() !== null,
    tripped: tripped(),
    hasWaiters: waiter() !== null,
    unfolded: waiting()?.unfolded === 1,
    watched: waiting()?.watched === 1,
  };
}
