/**
 * Counts tasks that have not ended, through the index of timers and that of tasks that wait without one, so that
 * ended tasks cost nothing. Tasks that are due first are counted first, up to a bound.
 */

import { LIVE_STATES, sqlStates, type State } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** Tasks that one statement looks at: each is read twice, to be found and to be grouped. */
const STRETCH = 2_400;

/** Tasks looked at for one answer. */
const MAX_COUNTED = 4 * STRETCH;

export interface LaneCount {
  lane: string;
  queued: number;
  running: number;
}

/** `capped`: there are more than were looked at, so each count is a lower bound. */
export interface Counted<T> {
  counts: T[];
  capped: boolean;
}

/** What is queued and what runs in each lane, of all tenants, among the rows that are due at `horizon` or before. */
export async function countLanes(db: D1Database, horizon: number, max = MAX_COUNTED): Promise<Counted<LaneCount>> {
  const { groups, capped } = await countTimed(db, horizon, max);
  const counts = [...Map.groupBy(groups, (group) => group.lane)].map(([lane, own]) => ({
    lane,
    queued: sumOf(own.filter((group) => group.state === "queued")),
    running: sumOf(own.filter((group) => group.state === "running")),
  }));
  return { counts, capped };
}

export interface TaskCount {
  task: string;
  lane: string;
  state: State;
  count: number;
}

/** The tenant's tasks that have not ended, by task, lane and state. */
export async function countLiveByTask(db: D1Database, tenant: string, max = MAX_COUNTED): Promise<Counted<TaskCount>> {
  const [timed, untimed] = await Promise.all([
    countTimed(db, Number.MAX_SAFE_INTEGER, max, tenant),
    countUntimed(db, tenant, max),
  ]);
  const all = Map.groupBy([...timed.groups, ...untimed.groups], ({ task, lane, state }) => `${task} ${lane} ${state}`);
  const counts = [...all.values()].map((own) => ({ ...own[0]!, count: sumOf(own) }));
  return { counts, capped: timed.capped || untimed.capped };
}

interface Groups {
  groups: TaskCount[];
  capped: boolean;
}

const sumOf = (groups: TaskCount[]) => groups.reduce((sum, group) => sum + group.count, 0);

// A place is a time and an id, so that no task is lost between two stretches where several are due at one time.
const TIMED = `
SELECT task, lane, state, tenant IS ?1 AND state IN ${sqlStates(LIVE_STATES)} AS counts, COUNT(*) AS count,
  MAX(printf('%016d', due_at) || id) AS place
FROM (SELECT id, due_at, tenant, task, lane, state FROM tasks INDEXED BY tasks_due
  WHERE due_at <= ?2 AND (due_at, id) > (?3, ?4) ORDER BY due_at, id LIMIT ?5)
GROUP BY tenant IS ?1, task, lane, state`;

/** Of all tenants, or of the one that is given. */
async function countTimed(db: D1Database, horizon: number, max: number, tenant?: string): Promise<Groups> {
  const groups: TaskCount[] = [];
  let place: [dueAt: number, id: string] = [-1, ""];
  let left = max + 1;
  while (left > 0) {
    const stretch = Math.min(STRETCH, left);
    const values = [tenant ?? null, horizon, ...place, stretch];
    const { results } = await persistOr503(() =>
      db
        .prepare(TIMED)
        .bind(...values)
        .all<TaskCount & { counts: 0 | 1; place: string }>(),
    );
    for (const { task, lane, state, count, counts } of results) {
      if (tenant === undefined || counts === 1) groups.push({ task, lane, state, count });
    }
    const looked = sumOf(results);
    if (looked < stretch) return { groups, capped: false };
    left -= looked;
    const last = results
      .map((row) => row.place)
      .toSorted()
      .at(-1)!;
    place = [Number(last.slice(0, 16)), last.slice(16)];
  }
  return { groups, capped: true };
}

async function countUntimed(db: D1Database, tenant: string, max: number): Promise<Groups> {
  const bound = Math.min(STRETCH, max);
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT task, lane, 'waiting' AS state, COUNT(*) AS count
         FROM (SELECT task, lane FROM tasks INDEXED BY tasks_waiting
           WHERE state = 'waiting' AND due_at IS NULL AND tenant = ?1 LIMIT ?2)
         GROUP BY task, lane`,
      )
      .bind(tenant, bound + 1)
      .all<TaskCount>(),
  );
  return { groups: results, capped: sumOf(results) > bound };
}
