/** Makes the tasks of the ticks that have come. */

import { log } from "../../core/log.ts";
import type { ProblemError } from "../../core/problems.ts";
import type { Use } from "../../core/quotas.ts";
import { lookAt, MAX_TICKS_PER_LOOK, type Look } from "../../core/schedule.ts";
import { readDueSchedules, readInputs, type DueSchedule, type Waiting } from "../../results/schedules/read.ts";
import { tickSchedules, type MissedTick, type ScheduleTicks } from "../../results/schedules/tick.ts";
import { announce } from "../announce.ts";
import { namedTaskId } from "../ids.ts";
import { planOf, specOf } from "./plan.ts";
import { admitFirst, note } from "../quota.ts";
import { openSchedule } from "../sealing/schedule.ts";
import { sealTasks } from "../sealing/tasks.ts";
import { isStorageHeld } from "../storage.ts";
import { tickTask, type Ticking } from "./task.ts";

/** Schedules looked at in one go. */
const CHUNK = 500;

/** Bytes of tasks that are made in one transaction, and how many a task counts for at least. */
const PARCEL_BYTES = 2_000_000;
const TASK_BYTES = 1_000;

interface Looked {
  row: DueSchedule;
  ticking: Omit<Ticking, "input" | "secrets">;
  look: Look;
  bytes: number;
}

/** Whether more schedules may be due, and whether some could not be ticked. */
export interface Round {
  more: boolean;
  failed: boolean;
}

const NOBODY: Waiting = { lanes: [], tasks: [] };

/**
 * Makes the tasks of a chunk of schedules that are due at `now` and not among `waiting`. Makes none while the database has no
 * room: then ticks come late.
 */
export async function tickDueSchedules(env: Env, now: number, waiting = NOBODY): Promise<Round> {
  const due = await readDueSchedules(env.DB, now, waiting, CHUNK);
  if (due.length > 0 && isStorageHeld(env)) return { more: false, failed: true };
  let failed = false;
  let parcel: Looked[] = [];
  let size = 0;
  for (const row of due) {
    const looked = await orNoted(row, () => lookOf(row, now));
    if (looked === null) {
      failed = true;
      continue;
    }
    if (parcel.length > 0 && size + looked.bytes > PARCEL_BYTES) {
      failed = !(await send(env, parcel, now)) || failed;
      parcel = [];
      size = 0;
    }
    parcel.push(looked);
    size += looked.bytes;
  }
  if (parcel.length > 0) failed = !(await send(env, parcel, now)) || failed;
  return { more: due.length === CHUNK, failed };
}

/** Null, and a log event, where this schedule cannot be ticked: it must not hold up the others. */
async function orNoted<T>({ tenant, id }: DueSchedule, decide: () => T | Promise<T>): Promise<T | null> {
  try {
    return await decide();
  } catch (error) {
    log("schedule_not_ticked", { tenant, schedule: id, error });
    return null;
  }
}

function lookOf(row: DueSchedule, now: number): Looked {
  const spec = specOf(row);
  const each = TASK_BYTES + row.inputBytes;
  const max = Math.max(1, Math.min(MAX_TICKS_PER_LOOK, Math.floor(PARCEL_BYTES / each)));
  const look = lookAt(planOf(spec, row.anchor), row.nextAt, now, max);
  return { row, ticking: { tenant: row.tenant, id: row.id, spec }, look, bytes: look.ticks.length * each };
}

/** Makes the tasks of these schedules in one transaction. Answers whether all of them could be ticked. */
async function send(env: Env, parcel: Looked[], now: number): Promise<boolean> {
  const withInput = parcel.filter(({ row }) => row.inputBytes > 0).map(({ row }) => row);
  const inputs = withInput.length > 0 ? await readInputs(env.DB, withInput) : [];
  const byKey = new Map(inputs.map((row) => [`${row.tenant}/${row.id}`, row]));
  const schedules: ScheduleTicks[] = [];
  const letIn: { id: string; tenant: string; use: Use }[] = [];
  for (const { row, ticking, look } of parcel) {
    const { tenant, id, revision, lastTask } = row;
    const { nextAt, overlap } = look;
    const { input = null, sealed = null } = byKey.get(`${tenant}/${id}`) ?? {};
    const ids = await Promise.all(look.ticks.map((at, i) => namedTaskId(`${tenant}/${id}/${at}`, now, i)));
    const isMadeUp = overlap === "queue" && ticking.spec.overlap === "skip";
    const each = { tasks: 1, bytes: row.inputBytes, signals: 0 };
    const room = await admitFirst(
      env,
      tenant,
      look.ticks.map(() => each),
      now,
    );
    const admitted = look.ticks.slice(0, room.admitted);
    letIn.push(...admitted.map((_, i) => ({ id: ids[i]!, tenant, use: each })));
    const missed = missedOf(row, look.ticks.slice(room.admitted), room.refusal);
    const ticks = await orNoted(row, async () => {
      const secrets = await openSchedule(env, { ...row, input, sealed });
      const schedule = { ...ticking, input, secrets };
      const made = admitted.map((at, i) => tickTask(env, schedule, ids[i]!, at, now, isMadeUp ? i + 1 : 0));
      await sealTasks(env, made);
      return made.map((task, i) => ({ at: admitted[i]!, task }));
    });
    if (ticks) schedules.push({ tenant, id, revision, nextAt, overlap, manual: false, lastTask, ticks, missed });
  }
  const made = new Set<string>();
  try {
    const ticked = await tickSchedules(env.DB, schedules, now);
    for (const id of ticked.made) made.add(id);
    await announce(env, ticked, now);
  } finally {
    // A tick whose task would have overlapped with another made none.
    for (const { id, tenant, use } of letIn) if (!made.has(id)) note(tenant, { tasks: -use.tasks, bytes: -use.bytes });
  }
  return schedules.length === parcel.length;
}

/** Ticks over the tenant's quota make no task: the schedule shows them as missed, and goes on with the next one. */
function missedOf({ tenant, id }: DueSchedule, ticks: number[], refusal: ProblemError | null): MissedTick[] {
  if (refusal === null) return [];
  log("ticks_over_quota", { tenant, schedule: id, ticks: ticks.length });
  return ticks.map((at) => ({ at, why: refusal.problem.detail }));
}
