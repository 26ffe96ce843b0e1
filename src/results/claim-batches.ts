/** Claims tasks that start together: as many as their batch holds, or those that have gathered when the oldest has waited long enough. */

import { MAX_BATCH_SIZE } from "../core/bounds.ts";
import { claimUnder, type Claim, type Claiming } from "./claim-tasks.ts";
import { persist, persistOr503 } from "./d1.ts";
import type { Queued } from "../core/states.ts";
import { LIMITS, type Limit } from "./limits/claim-parts.ts";
import { orExpiry } from "./limits/rate-queue.ts";

/** Tasks of one tenant, task and lane share handler calls. */
const GROUP = "tenant, task, lane";

const UNTIL = "(tasks.run_at + (tasks.batch->>'wait'))";

// Batches are filled in the order of age; where a deployment has changed the size meanwhile, the smallest holds. Tasks that are
// too few for a batch start when the oldest has waited long enough.
const choose = (condition: string) => `
  SELECT id FROM (
    SELECT id, size, COUNT(*) OVER part AS members, MIN(until) OVER part AS until
    FROM (
      SELECT id, ${GROUP}, size, until, (ROW_NUMBER() OVER (PARTITION BY ${GROUP} ORDER BY run_at, id) - 1) / size AS nth
      FROM (
        SELECT id, ${GROUP}, run_at, ${UNTIL} AS until, MIN(batch->>'size') OVER (PARTITION BY ${GROUP}) AS size
        FROM tasks WHERE ${condition}))
    WINDOW part AS (PARTITION BY ${GROUP}, nth))
  WHERE members = size OR until <= ?3`;

const TRIED = `batch IS NOT NULL AND ${UNTIL} <= ?2`;

// A task that was not queued by a submit still has another timer.
const TIMERS = `
UPDATE tasks SET due_at = ${orExpiry(UNTIL)}
WHERE id IN (SELECT value FROM json_each(?1)) AND state = 'queued' AND batch IS NOT NULL
  AND ${UNTIL} > ?2 AND due_at <> ${orExpiry(UNTIL)}
RETURNING due_at AS at`;

const TOGETHER: Claiming = { which: "tasks.batch IS NOT NULL", choose, tried: TRIED, timers: TIMERS };

/** The groups of the tasks ?1 that gather. */
const GROUPS = `
SELECT DISTINCT ${GROUP} FROM tasks
WHERE id IN (SELECT value FROM json_each(?1)) AND batch IS NOT NULL AND state = 'queued'`;

/** The tasks that gather in the group `own`. */
const GATHERED = `
FROM tasks INDEXED BY tasks_gathering
WHERE tenant = own.tenant AND task = own.task AND lane = own.lane AND batch IS NOT NULL AND state = 'queued'`;

const HAS_LIMITS = LIMITS.map((limit) => `${limit} IS NOT NULL AS ${limit}`).join(", ");

// The oldest of the group, and those of ?1 that are in it, with the limits that they have; and how many there are,
// counted no further than ?3.
const CANDIDATES = `
SELECT (SELECT COUNT(*) FROM (SELECT 1 ${GATHERED} LIMIT ?3)) AS gathered, (
  SELECT json_object('ids', json_group_array(id), ${LIMITS.map((limit) => `'${limit}', MAX(${limit})`).join(", ")}) FROM (
    SELECT id, run_at, ${LIMITS.join(", ")} FROM (SELECT id, run_at, ${HAS_LIMITS} ${GATHERED} ORDER BY run_at, id LIMIT ?2)
    UNION
    SELECT id, run_at, ${HAS_LIMITS} FROM tasks WHERE id IN (SELECT value FROM json_each(?1))
      AND tenant = own.tenant AND task = own.task AND lane = own.lane AND batch IS NOT NULL AND state = 'queued'
    ORDER BY run_at, id)) AS candidates
FROM (${GROUPS}) AS own`;

type Candidates = Record<Limit, 0 | 1> & { ids: string[] };

/**
 * Claims every ready batch that contains one of `ids`; `size`: of the largest of these batches, `most`: about how many
 * tasks, in whole batches. Asked again with the same `holder` and ids, it answers the same tasks.
 */
export async function claimGathered(
  db: D1Database,
  ids: string[],
  size: number,
  most: number,
  holder: string,
  now: number,
): Promise<Claim> {
  const limit = Math.ceil(most / size) * size;
  const { results } = await persist(() =>
    db
      .prepare(CANDIDATES)
      .bind(JSON.stringify(ids), limit, limit + ids.length + 1)
      .all<{ candidates: string; gathered: number }>(),
  );
  const groups = results.map((row) => ({ ...(JSON.parse(row.candidates) as Candidates), gathered: row.gathered }));
  const chosen = groups.flatMap((group) => wholeBatches(group.ids, group.gathered, size));
  const limits = LIMITS.filter((name) => groups.some((group) => group[name] === 1));
  // Where this claim was made before, no group is left; the ids lead to the tasks that it took.
  return claimUnder(db, groups.length > 0 ? chosen : ids, limits, holder, now, TOGETHER);
}

/** Where more tasks of the group wait than `ids` has, those beyond whole batches are left to the next claim, so that no call is small. */
function wholeBatches(ids: string[], gathered: number, size: number): string[] {
  return ids.length < gathered ? ids.slice(0, ids.length - (ids.length % size)) : ids;
}

const WHOLE = `
SELECT tasks.id, tasks.lane FROM tasks JOIN (
  SELECT ${GROUP}, (SELECT COUNT(*) FROM (SELECT 1 ${GATHERED} LIMIT ${MAX_BATCH_SIZE})) AS gathered
  FROM (${GROUPS}) AS own) AS own USING (${GROUP})
WHERE tasks.id IN (SELECT value FROM json_each(?1)) AND tasks.state = 'queued' AND tasks.batch->>'size' <= own.gathered`;

/** Those of `ids` in whose group at least a whole batch has gathered. */
export async function readWhole(db: D1Database, ids: string[]): Promise<Queued[]> {
  const { results } = await persist(() => db.prepare(WHOLE).bind(JSON.stringify(ids)).all<Queued>());
  return results;
}

/** How a task's batch stands. */
export interface Gathering {
  size: number;
  /** How many have gathered, the task itself among them. */
  gathered: number;
  /** When the oldest has waited long enough, in ms since the epoch. */
  until: number;
}

/** How the batch of a queued task stands; null where the task starts alone. */
export async function readGathering(db: D1Database, id: string): Promise<Gathering | null> {
  return persistOr503(() =>
    db
      .prepare(
        `SELECT own.size, COUNT(*) AS gathered, MIN(${UNTIL}) AS until
         FROM (SELECT ${GROUP}, batch->>'size' AS size FROM tasks WHERE id = ?1 AND batch IS NOT NULL AND state = 'queued') AS own
           JOIN tasks INDEXED BY tasks_gathering USING (${GROUP})
         WHERE tasks.batch IS NOT NULL AND tasks.state = 'queued' GROUP BY own.size`,
      )
      .bind(id)
      .first<Gathering>(),
  );
}
