/**
 * The `state` events of a task, derived from its row. The row is the source of truth; a holder of
 * events appends those that it has not seen yet, so sending them to a progress object twice, late or
 * never changes only the moment at which a listener gets them.
 */

import type { TaskError } from "./errors.ts";
import { eventNumber, isAt, laterInAttempt, type Place } from "./event-numbers.ts";
import { NO_START, type Outcome } from "./settle.ts";
import { isTerminal, type State } from "./states.ts";

/** One attempt in a task's history. */
export interface AttemptRecord {
  number: number;
  /** The run that it belongs to, and since when it could have started. */
  run: number;
  runAt: number;
  outcome: Outcome;
  error: TaskError | null;
  /** ms since the epoch. */
  startedAt: number;
  finishedAt: number;
  /** The state that followed. */
  to: State;
  /** What a fenced handler did after its attempt had ended; it changed nothing. */
  late?: { outcome: Outcome; at: number };
  /** Of an attempt that was put off because its deployment could not run it: how many in a row were. */
  inVain?: number;
  /** Of a webhook delivery that was replayed since: what the receiver answered. */
  status?: number;
}

/** What the timeline reads of a row. Instants are ms since the epoch. */
export interface Lived {
  state: State;
  /** 1, and one more with every manual retry, and whenever it leaves the queue by hand before it starts. */
  run: number;
  attempt: number;
  history: AttemptRecord[];
  createdAt: number;
  runAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  cancelRequestedAt: number | null;
  /** Set while its attempts undo steps; such attempts are not asked to stop. */
  undo: string | null;
  flowId: string | null;
  /** Of a member of a flow: the task whose end released it; null for a member that starts with the flow. */
  parentId: string | null;
}

/** A state that the task was or is in. */
export interface Moment {
  /** The number of its event: see `event-numbers.ts`. */
  seq: number;
  at: number;
  data: { state: State; attempt: number; cancelRequestedAt?: string };
}

/** One run of the task, as far as its row still shows it. */
interface Run {
  number: number;
  history: AttemptRecord[];
  /** Attempts of the runs before; null where the history is no longer known to reach back to the run's beginning. */
  before: number | null;
  isCurrent: boolean;
}

/**
 * The states of the row, oldest first; the last moment is the state that the row is in. A moment that was derived from
 * an earlier row of the same task keeps its number and its content, so a listener only needs what is new.
 * Earlier runs are included as far as the history holds their attempts.
 */
export function timeline(row: Lived): Moment[] {
  return runsOf(row).flatMap((run) => momentsOf(row, run));
}

/** The number of the `done` that ends the row's run. */
export function doneNumber(row: Pick<Lived, "run" | "attempt">): number {
  return eventNumber(row.run, row.attempt, "done");
}

function runsOf(row: Lived): Run[] {
  const runs: Run[] = [];
  for (const [i, entry] of row.history.entries()) {
    if (entry.run === runs.at(-1)?.number) {
      runs.at(-1)!.history.push(entry);
      continue;
    }
    const previous = row.history[i - 1]?.number ?? 0;
    const isWhole = entry.number === previous + 1;
    const isCurrent = entry.run === row.run;
    runs.push({ number: entry.run, history: [entry], before: isWhole ? previous : null, isCurrent });
  }
  if (runs.at(-1)?.number === row.run) return runs;
  const before = isRunning(row) ? row.attempt - 1 : row.attempt;
  return [...runs, { number: row.run, history: [], before, isCurrent: true }];
}

function momentsOf(row: Lived, { number: run, history, before, isCurrent }: Run): Moment[] {
  const moments: Moment[] = [];
  const add = (attempt: number, place: Place, at: number, state: State) => {
    moments.push({ seq: eventNumber(run, attempt, place), at, data: { state, attempt } });
  };
  const addCancelRequest = (attempt: number, at: number) => {
    add(attempt, "cancelRequested", at, "running");
    moments.at(-1)!.data.cancelRequestedAt = new Date(at).toISOString();
  };
  const runs = isCurrent && isRunning(row);
  // Known for the current run only: the row loses it when the next run begins.
  const state = isCurrent ? row.state : null;
  const cancelRequestedAt = isCurrent ? row.cancelRequestedAt : null;

  if (before !== null) {
    const hasBegun = history.length > 0;
    const firstStart = history[0]?.runAt ?? row.runAt;
    const wasReleased = run === 1 && row.flowId !== null && row.parentId !== null;
    // A member of a flow that ends because a need of it has failed gets its end as its start.
    const isAbandoned = row.runAt === NO_START || (row.flowId !== null && row.runAt === row.finishedAt);
    const isWaiting = !hasBegun && isCurrent && (state === "waiting" || isAbandoned);
    if (wasReleased || isWaiting) add(before, "waiting", row.createdAt, "waiting");
    const wasScheduled = run === 1 && !wasReleased && !isWaiting && firstStart > row.createdAt;
    if (wasScheduled || (!hasBegun && state === "scheduled")) add(before, "scheduled", row.createdAt, "scheduled");
    if (hasBegun || runs || state === "queued") add(before, "queued", firstStart, "queued");
  }

  for (const [i, entry] of history.entries()) {
    add(entry.number, "running", entry.startedAt, "running");
    if (entry.outcome === "cancelled" && cancelRequestedAt !== null) addCancelRequest(entry.number, cancelRequestedAt);
    add(entry.number, "after", entry.finishedAt, entry.to);
    const next = history[i + 1];
    const again = next ? startAfter(entry, next) : runs || state === "queued" ? row.runAt : null;
    if (again !== null && entry.to !== "queued") add(entry.number, "again", again, "queued");
  }
  if (runs) {
    add(row.attempt, "running", row.startedAt!, "running");
    if (cancelRequestedAt !== null && row.undo === null) addCancelRequest(row.attempt, cancelRequestedAt);
  }
  if (state !== null && isTerminal(state) && moments.at(-1)?.data.state !== state) {
    add(row.attempt, "ended", row.finishedAt ?? row.createdAt, state);
  }
  return moments;
}

/** When the attempt that came next could have started; null where attempts between are no longer in the history. */
function startAfter(entry: AttemptRecord, next: AttemptRecord): number | null {
  return next.number === entry.number + 1 ? next.runAt : null;
}

function isRunning(row: Lived): boolean {
  return row.state === "running" && row.startedAt !== null;
}

/** Whether the attempt that runs at the end of these moments is over, by the events up to number `last`. */
export function isOver(moments: Moment[], last: number): boolean {
  const start = moments.findLast((moment) => isAt("running", moment.seq));
  return start !== undefined && last >= laterInAttempt(start.seq, "after");
}

/** The moments that come after the one last seen. */
export function since(moments: Moment[], last: number): Moment[] {
  return moments.filter((moment) => moment.seq > last);
}
