/** Drains lanes, and refuses new work for lanes that drain. */

import type { Lane } from "../../core/bounds.ts";
import { ProblemError, problem, type Problem } from "../../core/problems.ts";
import { earliest } from "../../core/wake.ts";
import type { Audit } from "../../results/audit.ts";
import { drainsAmong, holdLane, readLanes, type Drain, type LaneRow } from "../../results/lanes/lanes.ts";
import type { Waiting } from "../../results/schedules/read.ts";
import { announce } from "../announce.ts";
import { findTask, taskNames } from "../registry.ts";

/** `Retry-After` of a refusal, where the drain has no end, and at most. In seconds. */
const ASK_AGAIN = { default: 60, max: 3_600 } as const;

/**
 * The lane accepts no new work from now on and finishes what it has accepted, with its retries, children, flows and
 * deliveries. Ends a pause of the lane. `until` is in ms since the epoch, null: until it is resumed.
 */
export async function drain(
  env: Env,
  lane: Lane,
  reason: string | null,
  until: number | null,
  now: number,
  audit: Audit | null = null,
): Promise<void> {
  await holdLane(env.DB, "draining", { name: lane, reason, until }, now, audit);
  await announce(env, { lookAt: now }, now);
}

/** The problem with which a draining lane refuses new work. */
export function laneDrains({ name, reason, until }: Drain, now: number): Problem {
  const why = reason === null ? "" : ` (${reason})`;
  const how = until === null ? "" : ` until ${new Date(until).toISOString()}`;
  const detail = `The lane ${name} is draining${how}${why}: it finishes what it has and accepts nothing new.`;
  const left = until === null ? ASK_AGAIN.default : Math.ceil((until - now) / 1_000);
  return { ...problem("lane-draining", detail), retryAfter: Math.max(1, Math.min(ASK_AGAIN.max, left)) };
}

/** Throws a 503 problem where one of these lanes accepts nothing new. */
export async function demandAccepting(env: Env, lanes: readonly string[], now: number): Promise<void> {
  const found = drainsAmong(await readLanes(env.DB), now).find((each) => lanes.includes(each.name));
  if (found) throw new ProblemError(laneDrains(found, now));
}

/** The tasks whose ticks wait at `now` because their lanes drain, and when the first of these lanes accepts again by itself. */
export function waitingTicks(env: Env, rows: readonly LaneRow[], now: number): Waiting & { until: number | null } {
  const drains = drainsAmong(rows, now);
  const lanes = drains.map((each) => each.name);
  const tasks = lanes.length === 0 ? [] : taskNames(env).filter((name) => lanes.includes(findTask(name, env)!.lane));
  return { lanes, tasks, until: earliest(drains.map((each) => each.until)) };
}
