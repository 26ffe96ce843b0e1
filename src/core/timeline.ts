/**
 * The `state` events of a task, derived from its row. The row is the truth; whoever holds events
 * appends what it has not seen yet, so telling a progress object twice, late or never changes nothing
 * but the moment at which a listener hears of it.
 */

import type { TaskError } from "./errors.ts";
import type { Outcome } from "./settle.ts";
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
  /** Of a webhook delivery that was replayed since: what the receiver answered. */
  status?: number;
}

/** What the timeline reads of a row. Instants are ms since the epoch. */
export interface Lived {
  state: State;
  /** 1, and one more with every manual retry. */
  run: number;
  attempt: number;
  history: AttemptRecord[];
  createdAt: number;
  runAt: number;
  startedAt: number | null;
  finishedAt: number | null;
  cancelRequestedAt: number | null;
  /** Set while its attempts undo what it has done: they are not asked to stop. */
  undo: string | null;
  flowId: string | null;
  /** Of a member of a flow: the task whose end released it; null for those that begin the flow. */
  parentId: string | null;
}

/** A state that the task was or is in. `mark` grows along the task's life and never repeats. */
export interface Moment {
  mark: number;
  at: number;
  data: { state: State; attempt: number; cancelRequestedAt?: string };
}

const PHASES = {
  waiting: 0,
  scheduled: 1,
  queued: 2,
  running: 3,
  cancelRequested: 4,
  after: 5,
  again: 6,
  ended: 7,
} as const;

function mark(run: number, attempt: number, phase: keyof typeof PHASES): number {
  return run * 10_000_000 + attempt * 10 + PHASES[phase];
}

/**
 * The row's story, oldest first; the last moment is the state that the row is in. What was told of an
 * earlier row of the same task keeps its mark and its words, so a listener only ever needs what is new.
 */
export function timeline(row: Lived): Moment[] {
  const moments: Moment[] = [];
  const add = (attempt: number, phase: keyof typeof PHASES, at: number, state: State) => {
    moments.push({ mark: mark(row.run, attempt, phase), at, data: { state, attempt } });
  };
  const addCancelRequest = (attempt: number, at: number) => {
    add(attempt, "cancelRequested", at, "running");
    moments.at(-1)!.data.cancelRequestedAt = new Date(at).toISOString();
  };
  // A manual retry keeps the history of the runs before.
  const history = row.history.filter((entry) => entry.run === row.run);
  const ended = isTerminal(row.state);
  const isRunning = row.state === "running" && row.startedAt !== null;
  const before = history[0]?.number ?? (isRunning ? row.attempt : row.attempt + 1);
  const base = before - 1;
  const firstStart = history[0]?.runAt ?? row.runAt;

  const wasReleased = row.flowId !== null && row.parentId !== null;
  if (wasReleased || (row.state === "waiting" && history.length === 0)) add(base, "waiting", row.createdAt, "waiting");
  const wasScheduled = row.run === 1 && !wasReleased && row.state !== "waiting" && firstStart > row.createdAt;
  if (wasScheduled || (row.state === "scheduled" && history.length === 0))
    add(base, "scheduled", row.createdAt, "scheduled");
  if (history.length > 0 || isRunning || row.state === "queued") add(base, "queued", firstStart, "queued");

  for (const [i, entry] of history.entries()) {
    add(entry.number, "running", entry.startedAt, "running");
    if (entry.outcome === "cancelled" && row.cancelRequestedAt !== null)
      addCancelRequest(entry.number, row.cancelRequestedAt);
    add(entry.number, "after", entry.finishedAt, entry.to);
    const again = history[i + 1]?.runAt ?? (isRunning || row.state === "queued" ? row.runAt : null);
    if (again !== null && entry.to !== "queued") add(entry.number, "again", again, "queued");
  }
  if (isRunning) {
    add(row.attempt, "running", row.startedAt!, "running");
    if (row.cancelRequestedAt !== null && row.undo === null) addCancelRequest(row.attempt, row.cancelRequestedAt);
  }
  if (ended && moments.at(-1)?.data.state !== row.state) {
    add(row.attempt, "ended", row.finishedAt ?? row.createdAt, row.state);
  }
  return moments;
}

/** Whether the attempt that runs at the end of these moments is over for somebody who has seen up to `lastMark`. */
export function isOver(moments: Moment[], lastMark: number): boolean {
  const start = moments.findLast((moment) => moment.mark % 10 === PHASES.running);
  return start !== undefined && lastMark >= start.mark - PHASES.running + PHASES.after;
}

/** The moments that come after the one last seen. */
export function since(moments: Moment[], lastMark: number): Moment[] {
  return moments.filter((moment) => moment.mark > lastMark);
}
