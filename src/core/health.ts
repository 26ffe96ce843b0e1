/** Reports on the health of a tenant's tasks: what moves, what has stalled, and what is unusual. Pure. */

import { CHECKS, VERDICTS, type Check, type Fact, type Verdict } from "./health-fact.ts";
import { sentenceOf } from "./health-sentence.ts";
import type { QuotaName } from "./quotas.ts";

const MINUTE_MS = 60_000;

/** A lane has stalled when nothing in it ends for this long: three times what its attempts usually take, within these bounds. */
const STILL_MS = { least: 10 * MINUTE_MS, most: 15 * MINUTE_MS } as const;

/** A wait longer than this is reported as old, in ms. */
export const OLD_WAIT_MS = 10 * MINUTE_MS;

/** How far back a look reads what has ended or begun to wait lately, in ms. */
export const LATELY_MS = STILL_MS.most;

/**
 * Errors are rising when at least `least` tasks failed lately, which are at least `part` of those that ended, and `factor` times
 * the usual part.
 */
const RISING = { least: 10, part: 0.05, factor: 3 } as const;

/** A tick that is later than this counts as missed. */
export const LATE_TICK_MS = 2 * MINUTE_MS;

/** A limit is near once this part of it is used. */
const NEAR = { quota: 0.9, storage: 0.8 } as const;

/** A clock this far behind its alarm does not tick. */
const CLOCK_LAG_MS = 30_000;

/** A lane as it is seen. Instants are ms since the epoch, null where there is none. */
export interface SeenLane {
  lane: string;
  queued: number;
  running: number;
  /** Since when the task that has waited longest could have started, and since when the task that has run longest runs. */
  waitsSince: number | null;
  runsSince: number | null;
  /** The minutes in which attempts or tasks of the lane ended, or tasks began to wait: the end of each, at most `now`. */
  movedAt: number[];
  /** The 95th percentile of its attempts' durations in ms; null where there is none. */
  usualMs: number | null;
  /** Only the deployment's key pauses a lane. */
  held: { how: "paused" | "draining"; since: number; until: number | null; reason: string | null } | null;
}

export interface Seen {
  now: number;
  lanes: SeenLane[];
  /** False: more tasks had not ended than were looked at. */
  isWhole: boolean;
  /** What may be there though it was not seen. */
  unseen: readonly Check[];
  /** What ended in the last quarter of an hour, and in the day before. */
  lately: Ended;
  usually: Ended;
  /** Schedules whose tick is late, or whose last tick made no task. */
  missed: { schedule: string; tick: number; why: string | null }[];
  quotas: Partial<Record<QuotaName, { used: number; limit: number }>>;
  storage: { sizeBytes: number | null; maxBytes: number; accepts: boolean };
  clockLagMs: number | null;
}

export interface Ended {
  ended: number;
  failed: number;
}

export interface Report {
  verdict: Verdict;
  /** One sentence. */
  summary: string;
  facts: Fact[];
  /** What was looked for in all that there is, and not found. */
  ruledOut: Check[];
}

export function reportOf(seen: Seen): Report {
  const found = CHECKS.flatMap((check) => FINDERS[check](seen));
  const facts = [movement(seen), ...found];
  const verdict = VERDICTS.findLast((level) => facts.some((fact) => fact.level === level)) ?? "ok";
  const ruledOut = CHECKS.filter((check) => !seen.unseen.includes(check) && !found.some(({ code }) => code === check));
  return { verdict, summary: sentenceOf(verdict, facts), facts, ruledOut };
}

function movement({ lanes, isWhole, lately }: Seen): Fact {
  const sum = (select: (lane: SeenLane) => number) => lanes.reduce((total, lane) => total + select(lane), 0);
  const [queued, running] = [sum((lane) => lane.queued), sum((lane) => lane.running)];
  const code = queued + running + lately.ended === 0 ? "idle" : "moving";
  return { code, level: "ok", subject: null, queued, running, capped: !isWhole, ...lately };
}

const iso = (at: number | null) => (at === null ? null : new Date(at).toISOString());

const FINDERS: Record<Check, (seen: Seen) => Fact[]> = {
  "lane-stalled": ({ now, lanes }) =>
    lanes.flatMap(({ lane, running, runsSince, movedAt, usualMs }) => {
      if (running === 0 || runsSince === null) return [];
      const stillMs = Math.min(STILL_MS.most, Math.max(STILL_MS.least, 3 * (usualMs ?? Infinity)));
      if (now - runsSince < stillMs || movedAt.some((at) => at > now - stillMs)) return [];
      const minutes = Math.floor(stillMs / MINUTE_MS);
      return [
        { code: "lane-stalled", level: "trouble", subject: lane, lane, running, minutes, runningSince: iso(runsSince) },
      ];
    }),
  "lane-held": ({ lanes }) =>
    lanes.flatMap(({ lane, held, queued }) => {
      if (held === null) return [];
      const { how, since, until, reason } = held;
      const told = { lane, how, by: "deployment", since: iso(since), until: iso(until), reason, queued };
      return [{ code: "lane-held", level: "attention", subject: lane, ...told }];
    }),
  "backlog-old": ({ now, lanes }) =>
    lanes.flatMap(({ lane, held, queued, waitsSince }) => {
      // The tasks that a paused lane holds are reported with its pause.
      if (held?.how === "paused" || waitsSince === null || now - waitsSince < OLD_WAIT_MS) return [];
      const minutes = Math.floor((now - waitsSince) / MINUTE_MS);
      return [
        { code: "backlog-old", level: "attention", subject: lane, lane, queued, since: iso(waitsSince), minutes },
      ];
    }),
  "errors-rising": ({ lately, usually }) => {
    const usual = usually.ended === 0 ? 0 : usually.failed / usually.ended;
    const part = lately.ended === 0 ? 0 : lately.failed / lately.ended;
    if (lately.failed < RISING.least || part < Math.max(RISING.part, Math.min(1, RISING.factor * usual))) return [];
    const told = { failed: lately.failed, ended: lately.ended, usualPercent: Math.round(1_000 * usual) / 10 };
    return [{ code: "errors-rising", level: "attention", subject: null, ...told }];
  },
  "schedule-missed": ({ missed }) =>
    missed.map(({ schedule, tick, why }) => ({
      code: "schedule-missed",
      level: "attention",
      subject: schedule,
      schedule,
      tick: iso(tick),
      why,
    })),
  "limit-near": ({ quotas }) =>
    Object.entries(quotas).flatMap(([quota, { used, limit }]): Fact[] => {
      if (used < NEAR.quota * limit) return [];
      return [{ code: "limit-near", level: "attention", subject: quota, quota, used, limit }];
    }),
  storage: ({ storage: { sizeBytes, maxBytes, accepts } }) => {
    if (accepts && (sizeBytes ?? 0) < NEAR.storage * maxBytes) return [];
    return [{ code: "storage", level: accepts ? "attention" : "trouble", subject: null, sizeBytes, maxBytes, accepts }];
  },
  "clock-behind": ({ clockLagMs }) =>
    clockLagMs === null || clockLagMs <= CLOCK_LAG_MS
      ? []
      : [{ code: "clock-behind", level: "trouble", subject: null, seconds: Math.round(clockLagMs / 1_000) }],
};
