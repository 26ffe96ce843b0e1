/** Reads what the rules of core/health.ts judge a tenant's work by. */

import { LANES } from "../../core/bounds.ts";
import { performances, sumOf, type Counts, type Performance } from "../../core/counts.ts";
import type { Check } from "../../core/health-fact.ts";
import { LATE_TICK_MS, LATELY_MS, OLD_WAIT_MS, type Ended, type Seen } from "../../core/health.ts";
import { quantile, sizeOf } from "../../core/histogram.ts";
import { readHealth, type Looked } from "../../results/health.ts";
import { beginningOf, readSpans, SPANS } from "../../results/rollups.ts";
import { describeQuotas } from "../quota.ts";
import { storageOf } from "../storage.ts";

/** The hours before the current one whose figures count as usual. */
const USUAL_HOURS = 24;

/** `clockLagMs`: null where it is not known. */
export async function lookAtHealth(env: Env, tenant: string, now: number, clockLagMs: number | null): Promise<Seen> {
  const minute = beginningOf(SPANS.minute, now);
  const hour = beginningOf(SPANS.hour, now);
  const minutes = Array.from({ length: LATELY_MS / SPANS.minute + 1 }, (_, i) => minute - i * SPANS.minute);
  const hours = Array.from({ length: USUAL_HOURS }, (_, i) => hour - (i + 1) * SPANS.hour);
  const [looked, recent, usual, { quotas }] = await Promise.all([
    readHealth(env.DB, tenant, now, now - LATE_TICK_MS),
    readSpans(env.DB, tenant, SPANS.minute, minutes, now),
    readSpans(env.DB, tenant, SPANS.hour, hours, now),
    describeQuotas(env, tenant, now),
  ]);
  const { live, isWhole, held, missed } = looked;
  const usualCounts = sumOf(usual.map(({ counts }) => counts));
  const usually = performances(usualCounts, ({ lane }) => lane);
  const lanes = LANES.map((lane) => {
    const of = (state: "queued" | "running") => live.find((each) => each.lane === lane && each.state === state);
    const holder = held.find(({ name }) => name === lane);
    const own = usually.get(lane);
    return {
      lane,
      queued: of("queued")?.count ?? 0,
      running: of("running")?.count ?? 0,
      waitsSince: of("queued")?.since ?? null,
      runsSince: of("running")?.since ?? null,
      // At which time of the minute something moved is not known, so its end is taken.
      movedAt: recent.filter((row) => hasMoved(row, lane)).map(({ at }) => Math.min(now, at + SPANS.minute - 1)),
      usualMs: own === undefined ? null : quantile(own.run, 0.95),
      held: holder === undefined ? null : holder,
    };
  });
  return {
    now,
    lanes,
    isWhole,
    unseen: unseenBy(looked, now),
    lately: endedIn(sumOf(recent.map(({ counts }) => counts))),
    usually: endedIn(usualCounts),
    missed,
    quotas,
    storage: storageOf(env),
    clockLagMs,
  };
}

function unseenBy({ isWhole, seenBefore, isMissedWhole }: Looked, now: number): Check[] {
  return [
    ...(isWhole ? [] : (["lane-stalled"] as const)),
    ...(seenBefore > now - OLD_WAIT_MS ? [] : (["backlog-old"] as const)),
    ...(isMissedWhole ? [] : (["schedule-missed"] as const)),
  ];
}

function hasMoved({ counts, causes }: { counts: Counts; causes: Counts }, lane: string): boolean {
  const own = performances(counts, (kind) => kind.lane).get(lane);
  if (own !== undefined && sizeOf(own.run) + totalOf(own) > 0) return true;
  return Object.keys(causes).some((key) => key.split(" ")[1] === lane);
}

function totalOf({ ended }: Performance): number {
  return Object.values(ended).reduce((sum, count) => sum + count, 0);
}

function endedIn(counts: Counts): Ended {
  const all = performances(counts, () => "").get("");
  return all === undefined ? { ended: 0, failed: 0 } : { ended: totalOf(all), failed: all.ended.failed };
}
