/**
 * What the clock does with a row whose time has come: a pure function of the row and the time.
 * `due_at` is the only timer of a row, and may come too early; then it is just set anew.
 */

import { BELL_MS, DEFAULT_RETENTION_MS, HELD_LOOK_MS } from "./bounds.ts";
import { NO_START } from "./settle.ts";
import { isTerminal, type State } from "./states.ts";

/** The part of a row that {@link wake} decides by. Instants are ms since the epoch. */
export interface Sleeper {
  state: State;
  runAt: number;
  createdAt: number;
  startedAt: number | null;
  expiresAt: number | null;
  leaseUntil: number | null;
  retainUntil: number | null;
  finishedAt: number | null;
  retentionMs: number;
  /** Since when it is held back by hand. */
  pausedAt?: number | null;
  /** What its progress object must be told: see {@link OBJECT}. */
  object: number;
}

/**
 * Bits of a row's `object`: what its progress object is there for. `listened`: a stream follows the events.
 * `used`: it holds events or a journal. `undo`: the journal has a step that can be undone. `awaited`: a
 * caller waits for the end. `searchable` has nothing to do with the object: triggers keep the task's words for a search.
 */
export const OBJECT = { listened: 1, used: 2, undo: 4, awaited: 8, searchable: 16 } as const;

/**
 * The bits with which the progress object must receive every change, and keeps it. If the task is only awaited, the object
 * is told the end, once and without a guarantee: nothing is stored and no timer is set for that.
 */
export const TOLD = OBJECT.listened | OBJECT.used | OBJECT.undo;

/** What is due, and when to look again (`null`: never, its end is found by the retention walk). */
export type Wake =
  | { do: "start" | "expire" | "rescue" | "purge" }
  | { do: "ring" | "postpone" | "tell"; dueAt: number | null };

/** What to do with the row at `now`. `heldUntil`: when the row's lane opens, where it is paused. */
export function wake(row: Sleeper, now: number, heldUntil = 0): Wake {
  if (isTerminal(row.state)) {
    if (row.retainUntil !== null && row.retainUntil <= now) return { do: "purge" };
    return { do: row.object & TOLD ? "tell" : "postpone", dueAt: purgeDue(row) };
  }
  if (row.state === "running") {
    const until = row.leaseUntil ?? now;
    return until <= now ? { do: "rescue" } : { do: "postpone", dueAt: until };
  }
  if (hasExpired(row, now)) return { do: "expire" };
  if (row.state === "queued" && heldUntil > now) {
    return { do: "postpone", dueAt: sooner(row, Math.min(heldUntil, now + HELD_LOOK_MS)) };
  }
  if (row.state === "queued") return { do: "ring", dueAt: sooner(row, nextBell(row, now)) };
  // Release 0.2.0 starts tasks that are paused, and leaves the mark.
  if (row.pausedAt && row.startedAt === null) return { do: "postpone", dueAt: row.expiresAt ?? NO_START };
  if (row.runAt <= now) return { do: "start" };
  return { do: "postpone", dueAt: sooner(row, row.runAt) };
}

/** A task that has never started ends at its expiry; a task that has started does not expire. */
function hasExpired(row: Pick<Sleeper, "expiresAt" | "startedAt">, now: number): boolean {
  return row.startedAt === null && row.expiresAt !== null && row.expiresAt <= now;
}

/**
 * When the clock first looks at a task that starts at `runAt`: at its start, or once its bell may be lost. A task that gathers
 * with others is looked at after `gatherMs`.
 */
export function firstLook(
  state: "scheduled" | "queued",
  runAt: number,
  expiresAt: number | null,
  now: number,
  gatherMs: number = BELL_MS,
): number {
  const at = state === "queued" ? now + gatherMs : runAt;
  return expiresAt === null ? at : Math.min(at, expiresAt);
}

/** Retentions end in steps of this, because a purge is not urgent: so the clock purges many tasks in one tick. */
export const PURGE_EVERY_MS = 15_000;

/** The first step at or after `at`, in ms since the epoch. */
export function nextPurge(at: number): number {
  return Math.ceil(at / PURGE_EVERY_MS) * PURGE_EVERY_MS;
}

/**
 * When the clock must look at an ended task to purge it. Null for the common case, the default
 * retention: those are met in the order of their ids by the retention walk, so that ending a plain
 * task needs no index entry. The walk may already have passed a task that lived for days.
 */
export function purgeDue(
  row: Pick<Sleeper, "retentionMs" | "createdAt" | "finishedAt" | "retainUntil">,
): number | null {
  const lived = (row.finishedAt ?? row.createdAt) - row.createdAt;
  if (row.retentionMs === DEFAULT_RETENTION_MS && lived < DEFAULT_RETENTION_MS / 2) return null;
  return row.retainUntil === null ? null : nextPurge(row.retainUntil);
}

/**
 * The retention of a task whose id is older than the task, such as a child's: the walk may have passed
 * it at birth, so it gets a timer, like every task whose retention is not the default one.
 */
export function timedRetention(retentionMs: number): number {
  return retentionMs === DEFAULT_RETENTION_MS ? retentionMs + 1 : retentionMs;
}

/** An old queued task is more likely in a backlog than without its bell: the older it is, the longer until its next bell. */
function nextBell(row: Sleeper, now: number): number {
  return now + Math.max(BELL_MS, Math.min(Math.floor((now - row.runAt) / 2), 600_000));
}

function sooner(row: Sleeper, at: number): number {
  return row.startedAt === null && row.expiresAt !== null ? Math.min(at, row.expiresAt) : at;
}

/** The earliest of these, or null. */
export function earliest(times: readonly (number | null | undefined)[]): number | null {
  const known = times.filter((time) => time !== null && time !== undefined);
  return known.length === 0 ? null : Math.min(...known);
}
