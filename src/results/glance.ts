/** All that a tick of the clock must know, in one round trip: what is due, and what may have to be looked after. */

import { TRIPPED, type Tripped } from "./limits/circuits.ts";
import { persist, rowsOf } from "./d1.ts";
import { DRAINS, type Drain } from "./lanes/drains.ts";
import { dueStatement, nextDueStatement, type DueTask } from "./due-tasks.ts";
import { NEXT_DEADLINE } from "./flows/deadlines.ts";
import { PAUSES, type LaneRow } from "./lanes/lanes.ts";
import { OWES } from "./webhooks/owed.ts";
import { IN_LINE } from "./limits/slots.ts";
import { NEXT_TICK } from "./schedules/read.ts";
import { UNFOLDED } from "./rollups.ts";

/** Instants are ms since the epoch; null: never. */
export interface Glance {
  due: DueTask[];
  /** The first that is due later. */
  nextDue: number | null;
  lanes: LaneRow[];
  /** Lanes that drain, or did. */
  drains: Drain[];
  /** The next tick of a schedule. */
  nextTick: number | null;
  /** The next deadline of a flow. */
  nextDeadline: number | null;
  /** Whether webhooks must be told of an end. */
  owes: boolean;
  tripped: Tripped[];
  /** Whether a task waits for a place under a concurrency key. */
  inLine: boolean;
  /** Whether counts wait to be folded. */
  unfolded: boolean;
}

/** At most `limit` rows are answered that are due at `now`, but for running ones among `except`. */
export async function glance(
  db: D1Database,
  now: number,
  limit: number,
  except: readonly string[] = [],
): Promise<Glance> {
  const results = await persist(() =>
    db.batch([
      dueStatement(db, now, limit, except),
      nextDueStatement(db, now),
      db.prepare(PAUSES),
      db.prepare(DRAINS),
      db.prepare(NEXT_TICK),
      db.prepare(NEXT_DEADLINE),
      db.prepare(OWES),
      db.prepare(TRIPPED),
      db.prepare(IN_LINE),
      db.prepare(UNFOLDED),
    ]),
  );
  return {
    due: rowsOf<DueTask>(results, 0),
    nextDue: rowsOf<{ dueAt: number }>(results, 1)[0]?.dueAt ?? null,
    lanes: rowsOf<LaneRow>(results, 2),
    drains: rowsOf<Drain>(results, 3),
    nextTick: rowsOf<{ nextAt: number }>(results, 4)[0]?.nextAt ?? null,
    nextDeadline: rowsOf<{ deadline: number }>(results, 5)[0]?.deadline ?? null,
    owes: rowsOf(results, 6).length > 0,
    tripped: rowsOf<Tripped>(results, 7),
    inLine: rowsOf(results, 8).length > 0,
    unfolded: rowsOf(results, 9).length > 0,
  };
}
