/** What holds a queued task back, its position among the tasks that wait for the same, and when it is likely to start. */

import type { Reason } from "../../contract/explanation.ts";
import { ownKey, type KeyLimit } from "../../core/concurrency.ts";
import { bySlots, byTimer, byWaitTimes, turnUnder } from "../../core/estimate.ts";
import type { Rate } from "../../core/share.ts";
import { readGathering } from "../../results/claim-batches.ts";
import { readBuckets, readConstraints } from "../../results/explain.ts";
import { readKeyWaiters, readPlaceInLane, readPlaceUnderRate } from "../../results/limits/waiters.ts";
import { jsonOf, type TaskRow } from "../../results/task-row.ts";
import { iso, type Finding } from "./finding.ts";
import { recentPerformance } from "../stats/recent.ts";

export async function heldBack(env: Env, row: TaskRow, now: number): Promise<Finding[]> {
  const { concurrency, rates, circuit, lane } = await readConstraints(env.DB, row.id, row.lane, now);
  const inLane = lane === null ? null : await readPlaceInLane(env.DB, row, now);
  const findings: Finding[] = [];
  if (lane !== null) {
    const reason = {
      code: "lane_paused",
      lane: row.lane,
      reason: lane.reason,
      until: iso(lane.until),
      ...inLane,
    } as const;
    findings.push({ reason, start: byTimer(lane.until, now) });
  }
  if (circuit !== null) {
    const { openUntil, probe } = circuit;
    // No estimate: whether the probe will succeed is unknown.
    findings.push({ reason: { code: "circuit_open", task: row.task, until: iso(openUntil), probe }, start: null });
  }
  findings.push(...(await underKeys(env, row, jsonOf<KeyLimit[]>(concurrency) ?? [], now)));
  findings.push(...(await underRates(env, row, jsonOf<Rate[]>(rates) ?? [], now)));
  const batch = await readGathering(env.DB, row.id);
  if (batch !== null && batch.gathered < batch.size && batch.until > now) {
    const { until, ...gathering } = batch;
    findings.push({ reason: { code: "batching", ...gathering, until: iso(until) }, start: byTimer(until, now) });
  }
  return findings.length > 0 ? findings : [await waitingForWorker(env, row, now)];
}

async function underKeys(env: Env, row: TaskRow, limits: KeyLimit[], now: number): Promise<Finding[]> {
  const keys = limits.map((each) => each.key);
  const full = (await readKeyWaiters(env.DB, row, keys)).filter((waiters) => waiters.used >= waiters.limit);
  if (full.length === 0) return [];
  const { run } = await recentPerformance(env, row.tenant, row.task, now);
  return full.map((waiters) => {
    const { key, limit, heldBy, position, capped } = waiters;
    const reason = { code: "concurrency", key: ownKey(key), limit, heldBy, position, capped } as const;
    return { reason, start: capped ? null : bySlots(waiters, position, run, now) };
  });
}

async function underRates(env: Env, row: TaskRow, rates: Rate[], now: number): Promise<Finding[]> {
  const keys = rates.map((each) => each.key);
  const findings: Finding[] = [];
  for (const bucket of await readBuckets(env.DB, keys)) {
    const { position, capped } = await readPlaceUnderRate(env.DB, row.id, bucket.key);
    const at = turnUnder(bucket, position, now);
    if (at <= now) continue;
    const reason = { code: "rate_limit", key: ownKey(bucket.key), until: iso(at), position, capped } as const;
    findings.push({ reason, start: capped ? null : { at, from: "rate" } });
  }
  return findings;
}

async function waitingForWorker(env: Env, row: TaskRow, now: number): Promise<Finding> {
  const place = await readPlaceInLane(env.DB, row, now);
  const undoing = row.undo === null ? {} : { undoing: true };
  const reason: Reason = { code: "queued", since: iso(row.runAt), lane: row.lane, ...place, ...undoing };
  const { wait } = await recentPerformance(env, row.tenant, row.task, now);
  return { reason, start: byWaitTimes(row.runAt, wait, now) };
}
