/** What a list or a bulk verb selects, and where to look for it. */

import type { FilterValues } from "../contract/task-filter.ts";
import { firstIdAt, ID_SLACK_MS, idTime } from "../core/id-time.ts";
import { isErrorGroupId } from "../core/error-groups.ts";
import { searchOf } from "../core/search.ts";
import { LIVE_STATES, type State } from "../core/states.ts";
import { persistOr503 } from "./d1.ts";
import { readFound } from "./search.ts";
import { readChildren, readDescendants } from "./family.ts";
import { readMemberIds } from "./flows/flows.ts";

/** What to find: the filters of the contract, and those that the service itself adds. */
export interface TaskFilter extends FilterValues {
  tenant: string;
  ids?: string[] | undefined;
  states?: readonly State[] | undefined;
  tags?: Record<string, string> | undefined;
  /** Up to this time (ms since the epoch) {@link WAITED} counts for tasks that still wait, and {@link RAN} for those that run. */
  now?: number | undefined;
  /** Only tasks that are no members of a flow. */
  alone?: boolean | undefined;
}

type Value = string | number;

/** Fixed fragments of SQL, every value bound. */
export interface Sql {
  sql: string;
  values: Value[];
}

/** How long an attempt has waited for a worker since it could start, as SQL whose parameter is the time now; null while it cannot start. */
const WAITED = `CASE WHEN tasks.state = 'queued' THEN ?
  WHEN tasks.state = 'running' OR tasks.finished_at IS NOT NULL THEN COALESCE(tasks.started_at, tasks.finished_at) END - tasks.run_at`;

/** When the latest attempt has ended, as SQL. */
const ATTEMPT_ENDED = "json_extract(tasks.history, '$[#-1].finishedAt')";

/** How long the latest attempt has run, as SQL with the same parameter. */
const RAN = `CASE WHEN tasks.state = 'running' THEN ? ELSE ${ATTEMPT_ENDED} END - tasks.started_at`;

/** What tasks that have ended can be sorted by, as SQL. */
export const SORTS = { finished: "tasks.finished_at", duration: `${ATTEMPT_ENDED} - tasks.started_at` } as const;

/**
 * The condition of each filter on a row of `tasks`, with the values of its parameters. `flowId` has none: {@link placeOf}
 * knows the ids of the members.
 */
const CONDITIONS: {
  [Name in keyof FilterValues]-?:
    | ((value: NonNullable<FilterValues[Name]>, now: number) => [string, ...Value[]])
    | null;
} = {
  task: (task) => ["tasks.task = ?", task],
  lane: (lane) => ["tasks.lane = ?", lane],
  createdAfter: (at) => ["tasks.created_at > ?", at],
  createdBefore: (at) => ["tasks.created_at < ?", at],
  finishedAfter: (at) => ["tasks.finished_at > ?", at],
  finishedBefore: (at) => ["tasks.finished_at < ?", at],
  error: (error) => [
    isErrorGroupId(error) ? "tasks.error_group = ?" : "json_extract(tasks.error, '$.type') = ?",
    error,
  ],
  flowId: null,
  parentId: (id) => ["tasks.parent_id = ?", id],
  rootId: (id) => ["COALESCE(tasks.root_id, tasks.id) = ?", id],
  schedule: (id) => ["json_extract(tasks.tags, '$.schedule') = ?", id],
  // The ids that words find are known to placeOf.
  q: (text) => {
    const { idPrefix } = searchOf(text);
    return idPrefix === null ? ["TRUE"] : ["tasks.id >= ? AND tasks.id < ?", ...idsFrom(idPrefix)];
  },
  waitLongerThan: (ms, now) => [`${WAITED} > ?`, now, ms],
  runLongerThan: (ms, now) => [`${RAN} > ?`, now, ms],
};

type AnyCondition = (value: unknown, now: number) => [string, ...Value[]];

/** What a row of `tasks` must fulfil. `ids` are left to {@link placeOf}. */
export function conditionOf(filter: TaskFilter): Sql {
  const parts: [string, ...Value[]][] = [["tasks.tenant = ?", filter.tenant]];
  // Not IN: a look into its list counts as a row read, for each row.
  if (filter.states) parts.push(["instr(?, '|' || tasks.state || '|')", `|${filter.states.join("|")}|`]);
  if (filter.alone) parts.push(["tasks.flow_id IS NULL"]);
  for (const [name, value] of Object.entries(filter.tags ?? {})) {
    parts.push(["json_extract(tasks.tags, ?) = ?", `$."${name}"`, value]);
  }
  for (const [name, condition] of Object.entries(CONDITIONS) as [keyof FilterValues, AnyCondition | null][]) {
    const value = filter[name];
    if (value !== undefined && condition !== null) parts.push(condition(value, filter.now ?? 0));
  }
  return { sql: parts.map(([sql]) => sql).join(" AND "), values: parts.flatMap(([, ...values]) => values) };
}

/** The range of the ids with this prefix: from the first text on, before the second. */
function idsFrom(prefix: string): [string, string] {
  return [prefix, `${prefix}~`];
}

/** A stretch of tasks, newest first. */
export interface Window extends Sql {
  /** Given where one statement looks at the whole stretch: the id after which to go on; null: that was all. */
  last?: string | null;
  /** Without `last`: the id after which to go on where the statement reaches the end of the stretch; null: that was all. */
  after: string | null;
}

/** The stretch that begins before an id; null stands for the newest. */
export type Place = (before: string | null) => Window;

/** After every id of a task. */
const NEWEST = "task_z";

// A partial index is used only where the query has its condition word for word.
const INDEXES = {
  all: "TRUE",
  tenant: "tenant <> 'default' AND task <> 'lovage.webhook' AND tenant = ?",
  bad: "state IN ('failed', 'cancelled', 'expired') AND tenant = ?",
  ticks: "tags ->> 'schedule' IS NOT NULL AND tenant = ? AND tags ->> 'schedule' = ?",
  late: "(node->>'wakes' IS NOT NULL OR node->>'onError' IS NOT NULL) AND tenant = ?",
} as const;

/** Where to look for what a filter selects, `size` tasks at a time. */
export async function placeOf(db: D1Database, filter: TaskFilter, size: number): Promise<Place> {
  const named = await namedBy(db, filter);
  if (named === null) return walk(filter);
  const ids = [...new Set(named)].toSorted().toReversed();
  return (before) => {
    const left = before === null ? ids : ids.slice(ids.findIndex((id) => id < before) >>> 0);
    const stretch = left.slice(0, size);
    return {
      sql: "id IN (SELECT value FROM json_each(?))",
      values: [JSON.stringify(stretch)],
      last: left.length > size ? stretch.at(-1)! : null,
      after: null,
    };
  };
}

/** Ids that include all that the filter selects; null where none are known. */
async function namedBy(db: D1Database, filter: TaskFilter): Promise<string[] | null> {
  const { tenant, ids, flowId, parentId, rootId, q, states } = filter;
  const words = q === undefined ? [] : searchOf(q).words;
  const sets = [
    ids ?? null,
    flowId === undefined ? null : ((await readMemberIds(db, flowId)) ?? []),
    parentId === undefined ? null : await readChildren(db, tenant, parentId),
    rootId === undefined ? null : await readDescendants(db, tenant, rootId),
    words.length === 0 ? null : await readFound(db, tenant, words),
  ].filter((set) => set !== null);
  if (sets.length > 0) {
    const [first, ...others] = sets.toSorted((a, b) => a.length - b.length);
    const known = others.map((set) => new Set(set));
    return first!.filter((id) => known.every((set) => set.has(id)));
  }
  return states?.every((state) => LIVE_STATES.some((live) => live === state)) ? readLive(db) : null;
}

/** Where more rows than this have a timer, live tasks are not looked up by their timers. */
const MAX_TIMERS = 800;

/** Ids that include all live tasks; null where there are too many. */
async function readLive(db: D1Database): Promise<string[] | null> {
  const { results } = await persistOr503(() =>
    db
      .prepare(
        `SELECT id FROM tasks INDEXED BY tasks_due WHERE due_at IS NOT NULL
         UNION ALL
         SELECT id FROM tasks INDEXED BY tasks_waiting WHERE state = 'waiting' AND due_at IS NULL
         LIMIT ${MAX_TIMERS + 1}`,
      )
      .all<{ id: string }>(),
  );
  return results.length > MAX_TIMERS ? null : results.map((row) => row.id);
}

/**
 * Goes along the ids. They are in the order of time, so a span of time is a span of ids. Late tasks have ids that are older
 * than their time: below the span they are looked for in an index of their own.
 */
function walk(filter: TaskFilter): Place {
  const { tenant, states, createdAfter, createdBefore, finishedBefore, parentId, rootId, schedule, q } = filter;
  const oldest = createdAfter === undefined ? null : firstIdAt("task", createdAfter - ID_SLACK_MS);
  // A descendant's id is no older than its ancestor's.
  const elder = parentId ?? rootId;
  const idPrefix = q === undefined ? null : searchOf(q).idPrefix;
  const [lowest, highest] = idPrefix === null ? ["", NEWEST] : idsFrom(idPrefix);
  const eldest = elder === undefined ? "" : firstIdAt("task", idTime(elder) - ID_SLACK_MS);
  const bottom = eldest > lowest ? eldest : lowest;
  // A task that ended before a time was created before it.
  const latest = Math.min(createdBefore ?? Infinity, finishedBefore ?? Infinity);
  const youngest = latest === Infinity ? NEWEST : firstIdAt("task", latest + ID_SLACK_MS);
  const newest = youngest < highest ? youngest : highest;
  const isBad = states?.every((state) => state === "failed" || state === "cancelled" || state === "expired");
  const index = isBad ? "bad" : tenant === "default" ? "all" : "tenant";
  return (before) => {
    const from = before === null || before > newest ? newest : before;
    // A tick's id has the time of the tick, which may be long before the task was made.
    if (schedule !== undefined) return stretchOf("ticks", tenant, from, bottom, null, schedule);
    // The parent is gone, so it was no member of a flow: a task that names it was spawned by it.
    if (parentId !== undefined) return stretchOf("late", tenant, from, bottom, null);
    if (oldest === null || oldest <= bottom) return stretchOf(index, tenant, from, bottom, null);
    if (from > oldest) return stretchOf(index, tenant, from, oldest, oldest);
    return stretchOf("late", tenant, from, bottom, null);
  };
}

function stretchOf(
  index: keyof typeof INDEXES,
  tenant: string,
  from: string,
  to: string,
  after: string | null,
  ...more: Value[]
): Window {
  const values = index === "all" ? [] : [tenant, ...more];
  return { sql: `${INDEXES[index]} AND id < ? AND id >= ?`, values: [...values, from, to], after };
}
