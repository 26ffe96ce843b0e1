/** Opens paused lanes when their pause ends, as part of a tick. */

import { HELD_LOOK_MS } from "../core/bounds.ts";
import { forgetPause, isHeldAs, wakeLane, type LaneRow } from "../results/lanes/lanes.ts";

/** Tasks woken in one statement. */
const CHUNK = 1_000;

/** The paused lanes, and until when (ms since the epoch; infinite for a pause without an end). */
export type HeldLanes = ReadonlyMap<string, number>;

export function heldLanes(rows: readonly LaneRow[], now: number): HeldLanes {
  const held = rows.filter((row) => isHeldAs("paused", row, now));
  return new Map(held.map(({ name, until }) => [name, until ?? Number.POSITIVE_INFINITY]));
}

/** Opens the lanes whose pause is over and wakes their tasks, as long as `mayGoOn` allows; returns whether work is left. */
export async function openLanes(
  env: Env,
  now: number,
  rows: readonly LaneRow[],
  mayGoOn: () => boolean = () => true,
): Promise<boolean> {
  for (const { name } of rows.filter((row) => isOver(row, now))) {
    do if (!mayGoOn()) return true;
    while (!(await wakeLane(env.DB, name, now, now + HELD_LOOK_MS, CHUNK)));
    await forgetPause(env.DB, name, now);
  }
  return false;
}

/** Whether the pause is over and the tasks that it held back still wait. */
function isOver(row: LaneRow, now: number): boolean {
  return row.holds === 1 && !isHeldAs("paused", row, now);
}
