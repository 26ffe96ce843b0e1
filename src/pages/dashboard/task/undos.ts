/** When the steps of a task were undone: backwards, one after the other. Pure; times are ms since the epoch. */

import type { Step } from "./step.ts";

export interface Undo {
  start: number;
  end: number;
  /** Why it could not be undone; null where it was. */
  error: Step["error"];
}

/**
 * The undoing of each step, by the step's place in the list. Only its end is kept, so it begins where the one before it ended;
 * the first one where the last of the steps did.
 */
export function undosOf(steps: readonly Step[]): Map<number, Undo> {
  const ends = steps.flatMap(({ undoneAt = null, undoError = null }, i) =>
    undoneAt === null ? [] : [{ i, end: Date.parse(undoneAt), error: undoError }],
  );
  const done = steps.flatMap(({ finishedAt }) => (finishedAt === null ? [] : [Date.parse(finishedAt)]));
  const undos = new Map<number, Undo>();
  // Of two that ended at once the later step was undone first.
  let start = -Infinity;
  for (const { i, end, error } of ends.toSorted((a, b) => a.end - b.end || b.i - a.i)) {
    if (start === -Infinity) start = Math.max(...done.filter((at) => at <= end), -Infinity);
    undos.set(i, { start: start === -Infinity ? end : start, end, error });
    start = end;
  }
  return undos;
}
