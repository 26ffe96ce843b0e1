/**
 * Counts tasks that have not ended, through the index of timers and that of tasks that wait without one, so that
 * ended tasks cost nothing. Tasks that are due first are counted first, up to a bound.
 */

import { LANES, type Lane } from "../core/bounds.ts";
import { LIVE_STATES, type State } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** Tasks with a timer that one statement looks at: each is read once. */
const STRETCH = 4_800;

/** Tasks with a timer that are looked at for one answer. */
const MAX_COUNTED = 2 * STRETCH;

/** Tasks without a timer: each is read twice, to be found and to be grouped. */
const MAX_UNTIMED = 2_400;

export interface LaneCount {
  lane: string;
  queued: number;
  running: number;
  /** When the first of the queued ones could have started, in ms since the epoch; null where none is queued. */
  oldestRunAt: number | null;
}

/** `capped`: there are more than were looked at, so each count is a lower bound. */
export interface Counted<T> {
  counts: T[];
  capped: boolean;
}

/** What is queued and what runs in each lane, of all tenants, among the rows that are due at `horizon` or before. */
export async function countLanes(db: D1Database, horizon: number, max = MAX_COUNTED): Promise<Counted<LaneCount>> {
  const { groups, oldest, capped } = await countTimed(db, horizon, max);
  const counts = [...Map.groupBy(groups, (group) => group.lane)].map(([lane, own]) => ({
    lane,
    queued: sumOf(own.filter((group) => group.state === "queued")),
    running: sumOf(own.filter((group) => group.state === "running")),
    oldestRunAt: oldest.get(lane) ?? null,
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

interface TimedGroups extends Groups {
  /** By lane, of all tenants. */
  oldest: ReadonlyMap<string, number>;
}

const sumOf = (groups: TaskCount[]) => groups.reduce((sum, group) => sum + group.count, 0);

// Not IN: a look into its list counts as a row read, for each row.
const IS_LIVE = `instr('|${LIVE_STATES.join("|")}|', '|' || state || '|')`;

/** The columns of the earliest start among those queued in each lane. */
const OLDEST = LANES.map((lane) => `MIN(run_at) FILTER (WHERE state = 'queued' AND lane = '${lane}') AS "${lane}"`);

// A place is a time and an id, so that no task is lost between two stretches where several are due at one time.
const TIMED = `
SELECT COUNT(*) AS looked, MAX(printf('%016d', due_at) || id) AS place,
  json_group_array(task || ' ' || lane || ' ' || state) FILTER (WHERE ?1 IS NULL OR tenant = ?1 AND ${IS_LIVE}) AS kinds,
  ${OLDEST.join(",\n  ")}
FROM (SELECT id, due_at, tenant, task, lane, state, run_at FROM tasks INDEXED BY tasks_due
  WHERE due_at <= ?2 AND (due_at, id) > (?3, ?4) ORDER BY due_at, id LIMIT ?5)`;

/** Of all tenants, or of the one that is given. */
async function countTimed(db: D1Database, horizon: number, max: number, tenant?: string): Promise<TimedGroups> {
  const kinds = new Map<string, number>();
  const oldest = new Map<string, number>();
  let place: [dueAt: number, id: string] = [-1, ""];
  let left = max + 1;
  let isAll = false;
  while (left > 0 && !isAll) {
    const stretch = Math.min(STRETCH, left);
    const values = [tenant ?? null, horizon, ...place, stretch];
    const row = await persistOr503(() =>
      db
        .prepare(TIMED)
        .bind(...values)
        .first<{ looked: number; place: string | null; kinds: string } & Record<Lane, number | null>>(),
    );
    const { looked, place: last, kinds: found } = row!;
    for (const kind of JSON.parse(found) as string[]) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    for (const lane of LANES) {
      const first = row![lane];
      if (first !== null) oldest.set(lane, Math.min(first, oldest.get(lane) ?? first));
    }
    isAll = looked < stretch;
    left -= looked;
    if (last !== null) place = [Number(last.slice(0, 16)), last.slice(16)];
  }
  const groups = [...kinds].map(([kind, count]): TaskCount => {
    // No name of a task, a lane or a state holds a space.
    const [task = "", lane = "", state = ""] = kind.split(" ");
    return { task, lane, state: state as State, count };
  });
  return { groups, oldest, capped: !isAll };
}

async function countUntimed(db: D1Database, tenant: string, max: number): Promise<Groups> {
  const bound = Math.min(MAX_UNTIMED, max);
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
