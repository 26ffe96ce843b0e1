/** Counts what is on its way. */

import { LIVE_STATES, sqlStates } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** Tasks that one statement looks at. */
const STRETCH = 1_500;

/** Statements beyond those that a full quota takes: so many stretches of other tenants' tasks may lie between. */
const SPARE = 10;

// Whatever has not ended has a timer or waits without one, so these two indexes lead to it past all that has.
const TIMED = `
SELECT tenant = ?1 AND state IN ${sqlStates(LIVE_STATES)} AS counts, json_array(due_at, id) AS place
FROM tasks INDEXED BY tasks_due
WHERE due_at IS NOT NULL AND (due_at, id) > (COALESCE(?2->>0, -1), COALESCE(?2->>1, '')) ORDER BY due_at, id`;

const UNTIMED = `
SELECT 1 AS counts, json_array(task, lane, id) AS place FROM tasks INDEXED BY tasks_waiting
WHERE state = 'waiting' AND due_at IS NULL AND tenant = ?1
  AND (task, lane, id) > (COALESCE(?2->>0, ''), COALESCE(?2->>1, ''), COALESCE(?2->>2, '')) ORDER BY task, lane, id`;

/** How many of a tenant's tasks have not ended, counted no further than `max`; a lower bound where very many others lie between. */
export async function countLive(db: D1Database, tenant: string, max: number): Promise<number> {
  let found = 0;
  for (const walk of [TIMED, UNTIMED]) {
    let place: string | null = "[]";
    for (let left = Math.ceil(max / STRETCH) + SPARE; left > 0 && place !== null && found < max; left--) {
      const counted = await countStretch(db, walk, tenant, place);
      found += counted.found;
      place = counted.place;
    }
  }
  return Math.min(found, max);
}

interface Counted {
  found: number;
  /** Where the next stretch begins, JSON; null where this was the last. */
  place: string | null;
}

async function countStretch(db: D1Database, walk: string, tenant: string, place: string): Promise<Counted> {
  const row = await persistOr503(() =>
    db
      .prepare(
        `WITH looked AS MATERIALIZED (${walk} LIMIT ${STRETCH})
         SELECT COALESCE(SUM(counts), 0) AS found,
           (SELECT place FROM looked LIMIT 1 OFFSET ${STRETCH - 1}) AS place
         FROM looked`,
      )
      .bind(tenant, place)
      .first<Counted>(),
  );
  return row!;
}
