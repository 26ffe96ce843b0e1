/**
 * Follows a task's events to its end. Reads the row first, and looks at its state whenever nothing came for a
 * while, so that no stream misses an end that was not told.
 */

import type { TaskEvent } from "../contract/event.ts";
import { ProblemError, problem } from "../core/problems.ts";
import { isTerminal } from "../core/states.ts";
import { timeline } from "../core/timeline.ts";
import { OBJECT, TOLD } from "../core/wake.ts";
import { readState } from "../results/await-ends.ts";
import { markObject, readTasks } from "../results/read-tasks.ts";
import { livedOf, type WholeTaskRow } from "../results/task-row.ts";
import { presentTask } from "./present.ts";
import { progressObject, snapshotOf, tellObjects } from "./tell.ts";

/** How often, in ms, a quiet stream says so (`idleMs`), and looks at the row's state (`lookMs`). */
export interface Pace {
  idleMs: number;
  lookMs: number;
}

const PACE: Pace = { idleMs: 10_000, lookMs: 30_000 };

/** A listener this many events behind is dropped from the object, and resumes from what was kept. */
const MAX_BEHIND = 500;

/** Before a broken line to the object is opened again; twice as long each time, until something is heard. */
const REOPEN_MS = { first: 250, longest: 4_000 };

/** What is kept of a task's events after number `after`. The last is `done` if the task has ended. */
export async function listEvents(env: Env, row: WholeTaskRow, after: number): Promise<TaskEvent[]> {
  const kept = row.object & TOLD ? await readKept(env, row) : [];
  const events = kept.length > 0 ? finished(row, kept) : fromRow(row);
  return events.filter((event) => event.seq > after);
}

/** What the object keeps, once it has heard of the end. */
async function readKept(env: Env, row: WholeTaskRow): Promise<TaskEvent[]> {
  const object = progressObject(env, row.id);
  try {
    const kept = await object.list(0);
    if (kept.length === 0 || !isStale(kept, row)) return kept;
    await object.sync(snapshotOf(row));
    return await object.list(0);
  } catch (error) {
    console.warn(JSON.stringify({ event: "events_not_read", taskId: row.id, error: String(error) }));
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
    const line = await Line.open(env, current, seen);
    let quietMs = 0;
    try {
      while (!signal.aborted) {
        const event = await line.next(idleMs, signal);
        if (event === "closed") break;
        if (event === "idle") {
          yield null;
          quietMs += idleMs;
          if (quietMs < lookMs) continue;
          quietMs = 0;
          const state = await readState(env.DB, row.id);
          // Told of the end, the object says so; if it cannot be reached, the line closes.
          if (state !== null && isTerminal(state)) {
            await tellObjects(env, [{ id: row.id, state, object: OBJECT.listened }]);
          }
          continue;
        }
        quietMs = 0;
        pause = REOPEN_MS.first;
        if (event.seq <= seen) continue;
        const whole = event.type === "done" && event.data === null ? await filled(env, row.id, event) : event;
        seen = event.seq;
        if (whole === null) continue;
        yield whole;
        if (whole.type === "done") return;
      }
    } finally {
      line.close();
    }
    if (signal.aborted) return;
    // The next line may be quiet for as long as this one was.
    yield null;
    await scheduler.wait(pause);
    pause = Math.min(pause * 2, REOPEN_MS.longest);
  }
}

/** A hibernating WebSocket to the progress object: while nothing is told, the object sleeps. */
class Line {
  readonly #socket: WebSocket;
  readonly #events: TaskEvent[] = [];
  #closed = false;
  #wake: (() => void) | null = null;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", (message) => {
      if (this.#closed) return;
      this.#events.push(JSON.parse(message.data as string) as TaskEvent);
      if (this.#events.length > MAX_BEHIND) {
        this.#closed = true;
        this.close();
      }
      this.#wake?.();
    });
    const end = () => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.addEventListener("close", end);
    socket.addEventListener("error", end);
    socket.accept();
  }

  static async open(env: Env, row: WholeTaskRow, after: number): Promise<Line> {
    const object = progressObject(env, row.id);
    await object.sync(snapshotOf(row));
    const response = await object.fetch(`https://progress/?after=${after}`, { headers: { Upgrade: "websocket" } });
    if (!response.webSocket) throw new Error(`the progress object answered ${response.status}`);
    return new Line(response.webSocket);
  }

  async next(idleMs: number, signal: AbortSignal): Promise<TaskEvent | "idle" | "closed"> {
    const event = this.#events.shift();
    if (event) return event;
    if (this.#closed || signal.aborted) return "closed";
    let timer = 0;
    const wake = () => this.#wake?.();
    signal.addEventListener("abort", wake);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, idleMs);
    });
    this.#wake = null;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    return this.#events.shift() ?? (this.#closed || signal.aborted ? "closed" : "idle");
  }

  close(): void {
    try {
      this.#socket.close(1000);
    } catch {
      // It was closed from the other side.
    }
  }
}

/** `done` with its data; null where it is that of an earlier run. */
async function filled(env: Env, id: string, event: TaskEvent): Promise<TaskEvent | null> {
  const [row] = await readTasks(env.DB, [id]);
  if (!row || !isTerminal(row.state)) return null;
  return { ...event, data: presentTask(row, { attempts: true }) };
}

/** The object has not heard of the row's end yet. */
function isStale(kept: TaskEvent[], row: WholeTaskRow): boolean {
  const last = kept.at(-1);
  return isTerminal(row.state) && (last?.type !== "done" || Date.parse(last.at) < (row.finishedAt ?? 0));
}

/** Kept events with the data of the last `done`; those of earlier runs are dropped. */
function finished(row: WholeTaskRow, kept: TaskEvent[]): TaskEvent[] {
  return kept.flatMap((event, i) => {
    if (event.type !== "done") return [event];
    return i === kept.length - 1 && isTerminal(row.state)
      ? [{ ...event, data: presentTask(row, { attempts: true }) }]
      : [];
  });
}

/** The events of a task that told nothing beyond its states. */
function fromRow(row: WholeTaskRow): TaskEvent[] {
  const events: TaskEvent[] = timeline(livedOf(row)).map((moment, i) => ({
    seq: i + 1,
    type: "state",
    at: new Date(moment.at).toISOString(),
    data: moment.data,
  }));
  if (!isTerminal(row.state)) return events;
  const at = new Date(row.finishedAt ?? row.createdAt).toISOString();
  return [...events, { seq: events.length + 1, type: "done", at, data: presentTask(row, { attempts: true }) }];
}
