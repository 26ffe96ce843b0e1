/** How long a task was in which state, from its events. Pure; times are ms since the epoch. */

import type { TaskEvent } from "../../../client/index.ts";
import type { TaskResource } from "../../../contract/task.ts";
import { isEnded, type State } from "../states.ts";

export interface Segment {
  state: State;
  attempt: number;
  start: number;
  end: number;
  /** It goes on. */
  isOpen: boolean;
}

/** The states that the task was in, one after the other. */
export function segmentsOf(task: TaskResource, events: readonly TaskEvent[], now: number): Segment[] {
  const moments = events
    .flatMap((event) => (event.type === "state" ? [{ at: Date.parse(event.at), ...event.data }] : []))
    .toSorted((a, b) => a.at - b.at);
  if (moments.length === 0) moments.push({ at: Date.parse(task.createdAt), state: task.state, attempt: task.attempt });
  const segments: Segment[] = [];
  for (const [i, { at, state, attempt }] of moments.entries()) {
    if (isEnded(state)) continue;
    const next = moments[i + 1];
    const end = next?.at ?? (task.finishedAt === null ? Math.max(now, at) : Date.parse(task.finishedAt));
    const last = segments.at(-1);
    if (last?.state === state && last.attempt === attempt && last.end === at) last.end = end;
    else
      segments.push({
        state,
        attempt,
        start: at,
        end: Math.max(at, end),
        isOpen: next === undefined && task.finishedAt === null,
      });
  }
  return segments;
}

/** How long the task was in each state. */
export function totalsOf(segments: readonly Segment[]): Map<State, number> {
  const totals = new Map<State, number>();
  for (const { state, start, end } of segments) totals.set(state, (totals.get(state) ?? 0) + end - start);
  return totals;
}
