/**
 * The life of a task: its states, and every arrow between them. The statements that move rows
 * (in `results/`) take their guards from this table, so the words here and in SQL are the same.
 */

/** Every state a task can be in, in the order in which a task meets them. */
export const STATES = [
  "scheduled",
  "queued",
  "waiting",
  "running",
  "retrying",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
] as const;

export type State = (typeof STATES)[number];

/** The states in which a task has ended: only an explicit `retry` leaves them, or the `replay` of a webhook delivery. */
export const TERMINAL_STATES = ["succeeded", "failed", "cancelled", "expired"] as const satisfies State[];

export type TerminalState = (typeof TERMINAL_STATES)[number];

/** The states of a task that has not ended. */
export const LIVE_STATES = ["scheduled", "queued", "waiting", "running", "retrying"] as const satisfies State[];

/** The live states in which no attempt holds the task, so a verb may move it at once. */
export const IDLE_STATES = ["scheduled", "queued", "waiting", "retrying"] as const satisfies State[];

/** What the sender of a bell, a queue message with task ids, needs to know of a queued task. */
export interface Queued {
  id: string;
  lane: string;
}

export function isTerminal(state: State): state is TerminalState {
  return (TERMINAL_STATES as readonly State[]).includes(state);
}

/**
 * Every arrow by its verb. `from` is the guard of the verb's statement; a verb with an empty `from`
 * makes a task. A statement that finds the row in another state changes nothing.
 */
export const ARROWS = {
  /** Accepted over HTTP or from the Worker's own code. */
  submit: { from: [], to: ["scheduled", "queued", "waiting"] },
  /** The start time has come, or the next attempt is due, or a sleep is over. */
  start: { from: ["scheduled", "retrying", "waiting"], to: ["queued"] },
  /** Its start was moved by hand, before its first start: to another time, to now, or until it is resumed. */
  change: { from: ["scheduled", "queued"], to: ["scheduled", "queued"] },
  /** A worker node takes the task for one attempt. */
  claim: { from: ["queued"], to: ["running"] },
  /** The attempt ended by returning a value that fits. */
  succeed: { from: ["running"], to: ["succeeded"] },
  /** The attempt ended badly and no attempt is left, or the error forbids another. */
  fail: { from: ["running"], to: ["failed"] },
  /** The attempt ended badly and another one follows. */
  backOff: { from: ["running"], to: ["retrying"] },
  /** The handler gave its attempt back until later. */
  snooze: { from: ["running"], to: ["scheduled"] },
  /** The handler waits for a sleep, a signal or other tasks, and holds no worker meanwhile. */
  suspend: { from: ["running"], to: ["waiting"] },
  /** The attempt was cut off: the lease ran out, or the platform took the worker away. */
  rescue: { from: ["running"], to: ["queued", "failed"] },
  /** Cancelled before an attempt held it, or the running attempt has ended since it was asked to. */
  cancel: { from: ["scheduled", "queued", "waiting", "retrying", "running"], to: ["cancelled"] },
  /** The task is to end badly and has steps to undo first, in an attempt of its own. */
  undo: { from: ["scheduled", "queued", "waiting", "retrying", "running"], to: ["queued"] },
  /** Not started by its expiry; a task that has started once does not expire. */
  expire: { from: ["scheduled", "queued", "waiting"], to: ["expired"] },
  /** Something it needs has failed, so it never runs. */
  abandon: { from: ["waiting"], to: ["failed", "cancelled"] },
  /** An explicit new run of an ended task; its history stays. */
  retry: { from: ["failed", "cancelled", "expired"], to: ["queued", "waiting"] },
  /** A webhook delivery is made again on request, whatever became of it. No other task has this arrow. */
  replay: { from: TERMINAL_STATES, to: ["queued"] },
} as const satisfies Record<string, { from: readonly State[]; to: readonly State[] }>;

export type Arrow = keyof typeof ARROWS;

/** The guard of a verb as an SQL list: `('queued', 'retrying')`. The words are ours, never a caller's. */
export function sqlStates(states: readonly State[]): string {
  return `(${states.map((state) => `'${state}'`).join(", ")})`;
}
