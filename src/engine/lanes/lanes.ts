/** Describes, pauses and resumes lanes. */

import { readBacklogs } from "../../broker/backlog.ts";
import type { LaneResource } from "../../contract/lane.ts";
import { HELD_LOOK_MS, LANES, type Lane } from "../../core/bounds.ts";
import type { Audit } from "../../results/audit.ts";
import { readDrains } from "../../results/lanes/drains.ts";
import { pauseLane, readLanes, resumeLane } from "../../results/lanes/lanes.ts";
import { countLanes } from "../../results/live-counts.ts";
import { announce } from "../announce.ts";

/** No queued or running task is due later than this. */
const HORIZON_MS = HELD_LOOK_MS + 60_000;

/** Every lane as it stands at `now`. */
export async function describeLanes(env: Env, now: number): Promise<LaneResource[]> {
  const [rows, drains, { counts, capped }, backlogs] = await Promise.all([
    readLanes(env.DB),
    readDrains(env.DB, now),
    countLanes(env.DB, now + HORIZON_MS),
    readBacklogs(env),
  ]);
  return LANES.map((name) => {
    const held = rows.find((each) => each.name === name && each.paused === 1 && (each.until ?? Infinity) > now);
    const drain = drains.find((each) => each.name === name);
    const { reason = null, until = null } = held ?? drain ?? {};
    const { queued = 0, running = 0 } = counts.find((each) => each.lane === name) ?? {};
    return {
      name,
      paused: held !== undefined,
      draining: drain !== undefined,
      reason,
      until: until === null ? null : new Date(until).toISOString(),
      queued,
      running,
      capped,
      backlog: backlogs[name],
    };
  });
}

/** No task of the lane starts from now on; running ones continue, and the lane accepts work. `until`: in ms since the epoch, or null. */
export async function pause(
  env: Env,
  lane: Lane,
  reason: string | null,
  until: number | null,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  await pauseLane(env.DB, lane, reason, until, now, audit);
  await announce(env, { lookAt: until }, now);
}

/** Opens the lane again, whether it was paused or drained; the clock sends messages for the tasks that waited, and ticks the schedules. */
export async function resume(env: Env, lane: Lane, now: number, audit: Audit | null = null): Promise<void> {
  await resumeLane(env.DB, lane, audit);
  await announce(env, { lookAt: now }, now);
}
