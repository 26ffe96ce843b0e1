/**
 * Turns ticks into tasks: the tasks and the schedule's next time are one transaction, which does
 * nothing where the schedule has changed since it was read. So a tick is neither lost nor doubled.
 */

import { NO_START } from "../../core/settle.ts";
import type { LookOverlap } from "../../core/schedule.ts";
import { LIVE_STATES, sqlStates } from "../../core/states.ts";
import { auditStatements, type Audit } from "../audit.ts";
import { addCancel } from "../cancel-tasks.ts";
import type { Change, Changes } from "../changes.ts";
import { Batch, persist } from "../d1.ts";
import { addInsert, type Condition } from "../submit-tasks.ts";
import type { NewTask } from "../new-task.ts";
import type { OwedId } from "../webhooks/owed.ts";

/** Ticks of one schedule, as it was read. Instants are ms since the epoch. */
export interface ScheduleTicks {
  tenant: string;
  id: string;
  revision: number;
  /** What the schedule waits for from now on. */
  nextAt: number | null;
  overlap: LookOverlap;
  /** Run by hand: the schedule's last task stays the one before, as long as that is live. */
  manual: boolean;
  /** The task of the tick before, as it was read. */
  lastTask: string | null;
  /** Oldest first. */
  ticks: { at: number; task: NewTask }[];
  /** Later ticks that made no task. */
  missed?: MissedTick[];
  /** The entry for a run by hand. */
  audit?: Audit | null;
}

/** A tick that made no task, and why: a sentence. */
export interface MissedTick {
  at: number;
  why: string;
}

const LIVE = sqlStates(LIVE_STATES);

/** A schedule shows this many of its latest ticks. */
const MAX_LAST_RUNS = 10;

const REPLACED = "replaced by the schedule's next tick";

const lastIsLive = (and = "") =>
  `EXISTS (SELECT 1 FROM tasks AS last WHERE last.id = schedules.last_task AND last.state IN ${LIVE}${and})`;

// As many later ticks may queue as missed ticks were made up for. Without that bound, a task that takes longer than the time
// between two ticks would never catch up, and never skip again.
const CATCHES_UP = "COALESCE(last.node->>'behind', 0) > 0";

const unchanged = (json: string) =>
  `schedules.tenant = ${json}->>'tenant' AND schedules.id = ${json}->>'schedule' AND schedules.revision = ${json}->>'revision'`;

const CONDITION: Condition = {
  guard: `EXISTS (SELECT 1 FROM schedules WHERE ${unchanged("v")} AND NOT (v->>'overlap' = 'skip' AND ${lastIsLive()})
    AND NOT (v->>'overlap' = 'follow' AND ${lastIsLive(` AND NOT ${CATCHES_UP}`)}))`,
  payloadGuard: "EXISTS (SELECT 1 FROM tasks WHERE id = :taskId AND overflow <> 0)",
  values: {},
};

/** Which task starts after which. */
const PAIRS = `pairs AS (
  SELECT v.value->>'id' AS id, COALESCE(v.value->>'previous', schedules.last_task) AS previous, schedules.last_task AS last
  FROM json_each(?1) AS v CROSS JOIN schedules ON ${unchanged("v.value")})`;

// The end of a task without a node releases nothing, so the task before must have one.
const WAIT = `
WITH ${PAIRS}
UPDATE tasks SET state = 'waiting', run_at = ${NO_START}, due_at = expires_at,
  node = jsonb_object('needsEnd', jsonb_array(pairs.previous), 'runAt', tasks.run_at, 'behind',
    MAX(0, COALESCE(tasks.node->>'behind', -1) + COALESCE(
      (SELECT last.node->>'behind' FROM tasks AS last WHERE last.id = pairs.last AND last.state IN ${LIVE}), 0))),
  waiting_for = json_object('type', 'needs', 'count', 1)
FROM pairs WHERE tasks.id = pairs.id AND tasks.state IN ('queued', 'scheduled') AND tasks.attempt = 0
  AND EXISTS (SELECT 1 FROM tasks AS need WHERE need.id = pairs.previous AND need.state IN ${LIVE} AND need.node IS NOT NULL)`;

const LINK = `
WITH ${PAIRS}
UPDATE tasks SET node = jsonb_set(tasks.node, '$.nextOnEnd', jsonb_array(pairs.id))
FROM pairs WHERE tasks.id = pairs.previous
  AND EXISTS (SELECT 1 FROM tasks AS next WHERE next.id = pairs.id AND next.state = 'waiting')`;

const MOVE = `
UPDATE schedules SET next_at = v.value->>'nextAt', revision = revision + 1,
  last_task = CASE WHEN v.value->>'manual' AND ${lastIsLive()} THEN last_task ELSE COALESCE(
    (SELECT run.value->>'taskId' FROM json_each(v.value, '$.runs') AS run
     WHERE EXISTS (SELECT 1 FROM tasks WHERE tasks.id = run.value->>'taskId') ORDER BY run.key DESC LIMIT 1),
    last_task) END,
  last_runs = (SELECT json_group_array(json(latest.run)) FROM (
    SELECT run.value AS run, run.value->>'tick' AS tick FROM json_each(v.value, '$.runs') AS run
    WHERE run.value->>'taskId' IS NULL OR EXISTS (SELECT 1 FROM tasks WHERE tasks.id = run.value->>'taskId')
    UNION ALL
    SELECT value, value->>'tick' FROM json_each(schedules.last_runs)
    ORDER BY tick DESC LIMIT ${MAX_LAST_RUNS}) AS latest)
FROM json_each(?1) AS v WHERE ${unchanged("v.value")}`;

const MADE = "SELECT id, lane, state FROM tasks WHERE id IN (SELECT value FROM json_each(?1))";

const isQueued = ({ state }: Change) => state === "queued";

/**
 * Makes the tasks of these ticks, and answers the ids of those that are there now (`made`). Safe to repeat; a schedule that has
 * changed since is left alone.
 */
export async function tickSchedules(
  db: D1Database,
  schedules: ScheduleTicks[],
  now: number,
): Promise<Changes & { made: string[] }> {
  const made: string[] = [];
  const moved: Change[] = [];
  const released: Change[] = [];
  const owed: OwedId[] = [];
  const replacing = schedules.filter((each) => replacedBy(each).length > 0);
  const others = schedules.filter((each) => !replacing.includes(each));
  if (others.length > 0) {
    const batch = new Batch(db);
    const ticked = addTicks(batch, db, others);
    await batch.run(persist);
    made.push(...ticked().map(({ id }) => id));
    moved.push(...ticked().filter(isQueued));
  }
  for (const each of replacing) {
    const batch = new Batch(db);
    const ticked = addTicks(batch, db, [each]);
    const cancellation = addCancel(batch, db, replacedBy(each), REPLACED, now, each.ticks.at(-1)!.task.id);
    await batch.run(persist);
    const replaced = cancellation();
    made.push(...ticked().map(({ id }) => id));
    moved.push(...ticked().filter(isQueued), ...replaced.moved);
    released.push(...replaced.released);
    owed.push(...replaced.owed);
  }
  return { moved, released, owed, made };
}

function addTicks(batch: Batch, db: D1Database, schedules: ScheduleTicks[]): () => Change[] {
  const tasks = schedules.flatMap(({ id: schedule, revision, overlap, ticks }) =>
    ticks.map(({ task }) => ({ ...task, schedule, revision, overlap })),
  );
  const pairs = JSON.stringify(
    schedules.filter(({ overlap }) => overlap === "queue" || overlap === "follow").flatMap(pairsOf),
  );
  const entries = schedules.flatMap(({ tenant, id, revision, audit }) =>
    auditStatements(db, audit, "SELECT COUNT(*) FROM schedules WHERE tenant = ?1 AND id = ?2 AND revision = ?3", [
      tenant,
      id,
      revision,
    ]),
  );
  batch.add(...entries);
  addInsert(batch, db, tasks, CONDITION);
  batch.add(
    ...(pairs === "[]" ? [] : [db.prepare(WAIT).bind(pairs), db.prepare(LINK).bind(pairs)]),
    db.prepare(MOVE).bind(JSON.stringify(schedules.map(moveOf))),
  );
  return batch.rows<Change>(db.prepare(MADE).bind(JSON.stringify(tasks.map((task) => task.id))));
}

function moveOf({ tenant, id, revision, nextAt, manual, ticks, missed = [] }: ScheduleTicks) {
  const iso = (at: number) => new Date(at).toISOString();
  const runs = [
    ...ticks.map(({ at, task }) => ({ tick: iso(at), taskId: task.id })),
    ...missed.map(({ at, why }) => ({ tick: iso(at), taskId: null, missed: why })),
  ].slice(-MAX_LAST_RUNS);
  return { tenant, schedule: id, revision, nextAt, manual, runs };
}

function pairsOf({ tenant, id: schedule, revision, ticks }: ScheduleTicks) {
  return ticks.map(({ task }, i) => ({
    tenant,
    schedule,
    revision,
    id: task.id,
    previous: ticks[i - 1]?.task.id ?? null,
  }));
}

/** The tasks that the last of these ticks replaces. */
function replacedBy({ overlap, lastTask, ticks }: ScheduleTicks): string[] {
  if (overlap !== "replace" || ticks.length === 0) return [];
  return [...(lastTask === null ? [] : [lastTask]), ...ticks.slice(0, -1).map(({ task }) => task.id)];
}
