/** Notifies progress objects of the states of their tasks: those that keep events, and of an end also those at which a caller waits. */

import { log } from "../../core/log.ts";
import { placed } from "../../core/location.ts";
import { isTerminal, type State } from "../../core/states.ts";
import { doneNumber, timeline } from "../../core/timeline.ts";
import { OBJECT, TOLD } from "../../core/wake.ts";
import type { ProgressApi, Snapshot } from "../../progress/snapshot.ts";
import { readTasks } from "../../results/read-tasks.ts";
import { livedOf, type TaskRow, type WholeTaskRow } from "../../results/task-row.ts";
import { presentTask } from "../present.ts";

/** A task's row as its progress object receives it. */
export function snapshotOf(row: WholeTaskRow): Snapshot {
  const ended = isTerminal(row.state)
    ? { seq: doneNumber(row), at: row.finishedAt ?? row.createdAt, task: presentTask(row, { attempts: true }) }
    : null;
  return { id: row.id, moments: timeline(livedOf(row)), ended };
}

/** The same for a task known to be alive. */
export function liveSnapshotOf(row: TaskRow): Snapshot {
  return { id: row.id, moments: timeline(livedOf(row)), ended: null };
}

export function progressObject(env: Env, id: string): ProgressApi {
  return env.PROGRESS.getByName(id, placed(env));
}

/** A task that has changed, or a flow; the object of a flow is notified only of its end. */
export interface Changed {
  id: string;
  state: State;
  /** Bits of {@link OBJECT}. */
  object: number;
}

/**
 * Notifies the objects of these. Never throws: returns the ids of the tasks whose objects must be notified and could not be.
 * The statement that ended such a task left it due, so the clock notifies its object again. A task that is only awaited is
 * not among them, because its waiters read the row themselves.
 */
export async function tellObjects(env: Env, changed: readonly Changed[]): Promise<string[]> {
  const told = changed.filter(({ object }) => object & TOLD).map(({ id }) => id);
  const awaited = changed.filter(
    ({ state, object }) => !(object & TOLD) && object & OBJECT.awaited && isTerminal(state),
  );
  const [untold] = await Promise.all([tellState(env, told), Promise.all(awaited.map(({ id }) => tellEnd(env, id)))]);
  return untold;
}

async function tellEnd(env: Env, id: string): Promise<void> {
  try {
    await progressObject(env, id).ended();
  } catch (error) {
    log("end_not_told", { id, error });
  }
}

async function tellState(env: Env, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  let rows: WholeTaskRow[];
  try {
    rows = await readTasks(env.DB, ids);
  } catch (error) {
    // The caller's change is stored; it must not look failed because the objects could not be notified.
    log("objects_not_told", { tasks: ids.length, error });
    return ids;
  }
  const untold: string[] = [];
  await Promise.all(
    rows.map(async (row) => {
      try {
        await progressObject(env, row.id).sync(snapshotOf(row));
      } catch (error) {
        untold.push(row.id);
        log("object_not_told", { taskId: row.id, error });
      }
    }),
  );
  return untold;
}

/** Clears the objects of deleted tasks; one that cannot be reached clears itself within the hour. */
export async function destroyObjects(env: Env, deleted: { id: string; object: number }[]): Promise<void> {
  await Promise.allSettled(
    deleted.filter((task) => task.object & TOLD).map((task) => progressObject(env, task.id).destroy()),
  );
}
