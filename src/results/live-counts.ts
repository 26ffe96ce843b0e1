/**
 * Counts tasks that have not ended, through the index of timers and that of tasks that wait without one, so that
 * ended tasks cost nothing. Tasks that are due first are counted first, up to a bound.
 */

import { LANES, type Lane } from "../core/bounds.ts";
import { LIVE_STATES, type State } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";

/** Tasks that one answer looks at, each read once: with all else that a call reads beside them, 5,000 rows at most. */
const MOST = { inLanes: 4_800, timed: 3_600, untimed: 1_000 } as const;

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
export async function countLanes(db: D1Database, horizon: number): Promise<Counted<LaneCount>> {
  const { groups, oldest, capped } = await countTimed(db, horizon, MOST.inLanes);
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
export async function countLiveByTask(
  db: D1Database,
  tenant: string,
  { timed: mostTimed, untimed: mostUntimed }: { timed: number; untimed: number } = MOST,
): Promise<Counted<TaskCount>> {
  const [timed, untimed] = await Promise.all([
    countTimed(db, Number.MAX_SAFE_INTEGER, mostTimed, tenant),
    countUntimed(db, tenant, mostUntimed),
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

const TIMED = `
SELECT COUNT(*) AS looked,
  json_group_array(task || ' ' || lane || ' ' || state) FILTER (WHERE ?1 IS NULL OR tenant = ?1 AND ${IS_LIVE}) AS kinds,
  ${OLDEST.join(",\n  ")}
FROM (SELECT tenant, task, lane, state, run_at FROM tasks INDEXED BY tasks_due
  WHERE due_at <= ?2 ORDER BY due_at LIMIT ?3)`;

const UNTIMED = `
SELECT COUNT(*) AS looked, json_group_array(task || ' ' || lane || ' waiting') AS kinds
FROM (SELECT task, lane FROM tasks INDEXED BY tasks_waiting
  WHERE state = 'waiting' AND due_at IS NULL AND tenant = ?1 LIMIT ?2)`;

interface Looked {
  looked: number;
  /** JSON array of a task's name, lane and state each: grouping them in SQL would read each twice. */
  kinds: string;
}

/** Of all tenants, or of the one that is given. */
async function countTimed(db: D1Database, horizon: number, most: number, tenant?: string): Promise<TimedGroups> {
  const read = db.prepare(TIMED).bind(tenant ?? null, horizon, most + 1);
  const row = (await persistOr503(() => read.first<Looked & Record<Lane, number | null>>()))!;
  const oldest = new Map(LANES.flatMap((lane) => (row[lane] === null ? [] : [[lane, row[lane]] as const])));
  return { groups: groupsOf(row.kinds), oldest, capped: row.looked > most };
}

async function countUntimed(db: D1Database, tenant: string, most: number): Promise<Groups> {
  const read = db.prepare(UNTIMED).bind(tenant, most + 1);
  const { kinds, looked } = (await persistOr503(() => read.first<Looked>()))!;
  return { groups: groupsOf(kinds), capped: looked > most };
}

function groupsOf(kinds: string): TaskCount[] {
  return [...Map.groupBy(JSON.parse(kinds) as string[], (kind) => kind)].map(([kind, { length: count }]): TaskCount => {
    // No name of a task, a lane or a state holds a space.
    const [task = "", lane = "", state = ""] = kind.split(" ");
    return { task, lane, state: state as State, count };
  });
}
