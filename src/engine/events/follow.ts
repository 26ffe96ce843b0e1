/**
 * Follows a task's events to its end. Reads the row first, and its state whenever no event came for a while, so that no
 * stream misses an end of which the progress object was not notified.
 */

import { log } from "../../core/log.ts";
import type { TaskEvent } from "../../contract/event.ts";
import { ProblemError, problem } from "../../core/problems.ts";
import { isTerminal } from "../../core/states.ts";
import { OBJECT, TOLD } from "../../core/wake.ts";
import { eventsOf, type Snapshot } from "../../progress/snapshot.ts";
import { readState } from "../../results/await-ends.ts";
import { markObject, readTasks } from "../../results/read-tasks.ts";
import type { WholeTaskRow } from "../../results/task-row.ts";
import { ObjectSocket, REOPEN_MS } from "./object-socket.ts";
import { progressObject, snapshotOf, tellObjects } from "./tell.ts";

/** How often, in ms, a stream without events yields null (`idleMs`) and reads the row's state (`lookMs`). */
export interface Pace {
  idleMs: number;
  lookMs: number;
}

const PACE: Pace = { idleMs: 10_000, lookMs: 30_000 };

/** A listener this many events behind is disconnected from the object, and resumes from the events that it keeps. */
const MAX_BEHIND = 500;

/** The kept events of a task after number `after`. The last is `done` if the task has ended. */
export async function listEvents(env: Env, row: WholeTaskRow, after: number): Promise<TaskEvent[]> {
  const snapshot = snapshotOf(row);
  const kept = row.object & TOLD ? await readKept(env, snapshot) : [];
  if (kept.length === 0) return eventsOf(snapshot, after);
  return kept.filter((event) => event.seq > after).flatMap((event) => withData(event, snapshot) ?? []);
}

/** The events that the object keeps, once it has all those of the snapshot. */
async function readKept(env: Env, snapshot: Snapshot): Promise<TaskEvent[]> {
  const object = progressObject(env, snapshot.id);
  try {
    const kept = await object.list(0);
    const last = kept.at(-1)?.seq;
    if (last === undefined || eventsOf(snapshot, last).length === 0) return kept;
    await object.sync(snapshot);
    return await object.list(0);
  } catch (error) {
    log("events_not_read", { id: snapshot.id, error });
    const detail = "The task's events could not be read just now. Try again.";
    throw new ProblemError(problem("unavailable", detail), { "Retry-After": "1" });
  }
}

/** Yields every event after number `after`, the last of them `done`, and null where nothing came for a while. */
export async function* follow(
  env: Env,
  row: WholeTaskRow,
  after: number,
  signal: AbortSignal,
  { idleMs, lookMs }: Pace = PACE,
): AsyncGenerator<TaskEvent | null> {
  let seen = after;
  let pause = REOPEN_MS.first;
  while (!signal.aborted) {
    const current = isTerminal(row.state) ? row : await markObject(env.DB, row.id, OBJECT.listened);
    if (current === null) return;
    if (isTerminal(current.state)) {
      for (const event of await listEvents(env, current, seen)) yield event;
      return;
    }
    const object = progressObject(env, current.id);
    await object.sync(snapshotOf(current));
    const socket = await ObjectSocket.open<TaskEvent>(object, `https://progress/?after=${seen}`, MAX_BEHIND);
    let quietMs = 0;
    try {
      while (!signal.aborted) {
        const event = await socket.next(idleMs, signal);
        if (event === "closed") break;
        if (event === "idle") {
          yield null;
          quietMs += idleMs;
          if (quietMs < lookMs) continue;
          quietMs = 0;
          const state = await readState(env.DB, row.id);
          // Once notified of the end, the object sends `done`; if it cannot be reached, the socket closes.
          if (state !== null && isTerminal(state)) {
            await tellObjects(env, [{ id: row.id, state, object: OBJECT.listened }]);
          }
          continue;
        }
        quietMs = 0;
        pause = REOPEN_MS.first;
        const whole = event.data === null ? await filled(env, row.id, event) : event;
        if (whole !== null && whole.seq > seen) yield whole;
        seen = Math.max(seen, event.seq);
        // Also where `after` is not below the number of `done`.
        if (whole?.type === "done") return;
      }
    } finally {
      socket.close();
    }
    if (signal.aborted) return;
    // The next socket may be quiet for as long as this one was.
    yield null;
    await scheduler.wait(pause);
    pause = Math.min(pause * 2, REOPEN_MS.longest);
  }
}

/** The event with the data of `done`, as {@link withData} gives it. */
async function filled(env: Env, id: string, event: TaskEvent): Promise<TaskEvent | null> {
  if (event.type !== "done") return event;
  const [row] = await readTasks(env.DB, [id]);
  return row === undefined ? null : withData(event, snapshotOf(row));
}

/** An event as the object keeps it, with the data of `done`; null for the `done` of an earlier run, whose data is gone. */
function withData(event: TaskEvent, { ended }: Snapshot): TaskEvent | null {
  if (event.type !== "done") return event;
  return ended !== null && ended.seq === event.seq ? { ...event, data: ended.task } : null;
}
