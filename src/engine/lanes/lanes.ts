/** Describes, pauses and resumes lanes. */

import { readBacklogs } from "../../broker/backlog.ts";
import type { LaneResource } from "../../contract/lane.ts";
import { HELD_LOOK_MS, LANES, type Lane } from "../../core/bounds.ts";
import type { Audit } from "../../results/audit.ts";
import { holdLane, isHeldAs, readLanes, resumeLane } from "../../results/lanes/lanes.ts";
import { countLanes } from "../../results/live-counts.ts";
import { announce } from "../announce.ts";

/** No queued or running task is due later than this. */
const HORIZON_MS = HELD_LOOK_MS + 60_000;

/** Every lane as it stands at `now`. */
export async function describeLanes(env: Env, now: number): Promise<LaneResource[]> {
  const [rows, { counts, capped }, backlogs] = await Promise.all([
    readLanes(env.DB),
    countLanes(env.DB, now + HORIZON_MS),
    readBacklogs(env),
  ]);
  return LANES.map((name) => {
    const row = rows.find((each) => each.name === name);
    const paused = row !== undefined && isHeldAs("paused", row, now);
    const draining = row !== undefined && isHeldAs("draining", row, now);
    const { reason, until } = paused || draining ? row : { reason: null, until: null };
    const { queued = 0, running = 0, oldestRunAt = null } = counts.find((each) => each.lane === name) ?? {};
    return {
      name,
      paused,
      draining,
      reason,
      until: until === null ? null : new Date(until).toISOString(),
      queued,
      running,
      oldestWaitingSince: oldestRunAt === null ? null : new Date(oldestRunAt).toISOString(),
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
  await holdLane(env.DB, "paused", { name: lane, reason, until }, now, audit);
  await announce(env, { lookAt: until }, now);
}

/** Opens the lane again, whether it was paused or drained; the clock sends messages for the tasks that waited, and ticks the schedules. */
export async function resume(env: Env, lane: Lane, now: number, audit: Audit | null = null): Promise<void> {
  await resumeLane(env.DB, lane, audit, now);
  await announce(env, { lookAt: now }, now);
}
