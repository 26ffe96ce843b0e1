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
}

/** A state that the task was or is in. `mark` grows along the task's life and never repeats. */
export interface Moment {
  mark: number;
  at: number;
  data: { state: State; attempt: number; cancelRequestedAt?: string };
}

const PHASES = { scheduled: 0, queued: 1, running: 2, cancelRequested: 3, after: 5, again: 6, ended: 8 } as const;

function mark(run: number, attempt: number, phase: keyof typeof PHASES): number {
  return run * 10_000_000 + attempt * 10 + PHASES[phase];
}

export function timeline(row: Lived): Moment[] {
  const moments: Moment[] = [];
  const add = (attempt: number, phase: keyof typeof PHASES, at: number, state: State) => {
    moments.push({ mark: mark(row.run, attempt, phase), at, data: { state, attempt } });
  };
  // A manual retry keeps the history; its attempts belong to the runs before.
  const first = row.history.findLast((entry) => isTerminal(entry.to))?.number ?? 0;
  const ended = isTerminal(row.state);
  const history = row.history.filter((entry) => entry.number > first || (ended && entry.number === row.attempt));
  const before = history[0]?.number ?? (row.state === "running" ? row.attempt : row.attempt + 1);
  const base = before - 1;

  if (row.runAt > row.createdAt && row.startedAt === null) add(base, "scheduled", row.createdAt, "scheduled");
  if (row.state === "waiting" && history.length === 0) add(base, "scheduled", row.createdAt, "waiting");
  const started = history.length > 0 || row.state === "running";
  if (started || row.state === "queued") {
    add(base, "queued", row.run === 1 && row.startedAt !== null ? row.createdAt : row.runAt, "queued");
  }

  for (const [i, entry] of history.entries()) {
    add(entry.number, "running", entry.startedAt, "running");
    add(entry.number, "after", entry.finishedAt, entry.to);
    const next = history[i + 1]?.startedAt ?? (row.state === "running" ? row.startedAt : null);
    const again = next ?? (row.state === "queued" ? row.runAt : null);
    if (again !== null && entry.to !== "queued") add(entry.number, "again", again, "queued");
  }
  if (row.state === "running" && row.startedAt !== null) {
    add(row.attempt, "running", row.startedAt, "running");
    if (row.cancelRequestedAt !== null) {
      add(row.attempt, "cancelRequested", row.cancelRequestedAt, "running");
      moments.at(-1)!.data.cancelRequestedAt = new Date(row.cancelRequestedAt).toISOString();
    }
  }
  if (ended && moments.at(-1)?.data.state !== row.state) {
    add(row.attempt, "ended", row.finishedAt ?? row.createdAt, row.state);
  }
  return moments;
}

/** The moments that come after the one last seen. */
export function since(moments: Moment[], lastMark: number): Moment[] {
  return moments.filter((moment) => moment.mark > lastMark);
}
