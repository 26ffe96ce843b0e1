/**
 * Suspends tasks: every call of the handler waits, so its attempt ends, and no worker holds the task until it is woken. The end
 * is written by the commit, like every other.
 */

import type { AskedSignal, Ending } from "../core/settle.ts";

/** Characters of all schemas that a row keeps: with too many the end of the attempt would not fit into it. */
const MAX_SCHEMAS_LENGTH = 65_536;

/** A durable call that waits. */
export interface Pending {
  /** The time that wakes it, in ms since the epoch; null: none does. */
  until: number | null;
  /** A signal that wakes it. */
  signal?: { name: string } & Omit<AskedSignal, "until">;
  /** The ids of tasks whose ends wake it. */
  tasks?: string[];
}

/** How an attempt ends whose calls all wait: whatever comes first wakes the task. `heard`: how many signals it had been sent when it was claimed. */
export function suspend(pending: readonly Pending[], heard: number): Ending {
  const times = pending.map((each) => each.until).filter((until) => until !== null);
  const waits = pending.flatMap(({ signal, until }) => (signal === undefined ? [] : [{ ...signal, until }]));
  const signals = waits.map(({ name }) => name);
  let room = MAX_SCHEMAS_LENGTH;
  const asked = waits.map(({ since, until, schema }) => {
    room -= schema === null ? 0 : JSON.stringify(schema).length;
    return { since, until, schema: room < 0 ? null : schema };
  });
  const tasks = pending.flatMap((each) => (each.tasks === undefined ? [] : [each.tasks]));
  const type = pending.length > 1 ? "several" : signals.length > 0 ? "signal" : tasks.length > 0 ? "tasks" : "sleep";
  const until = times.length > 0 ? Math.min(...times) : null;
  return {
    outcome: "suspended",
    wait: { type, until, signals, tasks, heard, ...(asked.length === 0 ? {} : { asked }) },
  };
}

/** What a durable call that waits answers: it never resolves. */
export const never = async (): Promise<never> => new Promise(() => undefined);
