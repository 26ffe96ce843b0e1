/** A tenant's figures, from the rollups and the rows of live tasks; rows of ended tasks are not read. */

import type { Stats, StatsWindow } from "../../contract/stats.ts";
import { newPerformance, performances, type Kind, type Performance } from "../../core/counts.ts";
import { quantile, type Histogram } from "../../core/histogram.ts";
import { LANES } from "../../core/bounds.ts";
import { STATES, type State } from "../../core/states.ts";
import { countLiveByTask, type TaskCount } from "../../results/live-counts.ts";
import { describeQuotas } from "../quota.ts";
import { writeCounts } from "./observe.ts";
import { readDay, readHour, type Window } from "./recent.ts";

interface Sources {
  now: number;
  live: TaskCount[];
  hour: Window;
  day: Window;
}

/** The figures at `now`, in ms since the epoch. */
export async function describeStats(env: Env, tenant: string, now: number): Promise<Stats> {
  await writeCounts(env);
  const [{ counts: live, capped }, hour, day, { quotas, countedAt }] = await Promise.all([
    countLiveByTask(env.DB, tenant),
    readHour(env, tenant, now),
    readDay(env, tenant, now),
    describeQuotas(env, tenant, now),
  ]);
  const sources = { now, live, hour, day };
  const whole = figuresBy(sources, () => "");
  const byTask = figuresBy(sources, (kind) => kind.task);
  const byLane = figuresBy(sources, (kind) => kind.lane);
  const tasks = [...byTask.keys()].toSorted((a, b) => a.localeCompare(b));
  return {
    at: new Date(now).toISOString(),
    capped,
    quotas,
    quotasCountedAt: countedAt === null ? null : new Date(countedAt).toISOString(),
    ...(whole.get("") ?? figuresOf(sources, [], null, null)),
    tasks: tasks.map((task) => ({ task, ...byTask.get(task)! })),
    lanes: LANES.map((lane) => ({ lane, ...(byLane.get(lane) ?? figuresOf(sources, [], null, null)) })),
  };
}

function figuresBy(sources: Sources, select: (kind: Kind) => string) {
  const live = Map.groupBy(sources.live, select);
  const hour = performances(sources.hour.counts, select);
  const day = performances(sources.day.counts, select);
  const groups = new Set([...live.keys(), ...hour.keys(), ...day.keys()]);
  return new Map(
    [...groups].map((group) => [
      group,
      figuresOf(sources, live.get(group) ?? [], hour.get(group) ?? null, day.get(group) ?? null),
    ]),
  );
}

function figuresOf(sources: Sources, live: TaskCount[], inHour: Performance | null, inDay: Performance | null) {
  const lastHour = windowOf(sources.hour.since, sources.now, inHour ?? newPerformance());
  const lastDay = windowOf(sources.day.since, sources.now, inDay ?? newPerformance());
  const states = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<State, number>;
  for (const { state, count } of live) states[state] += count;
  return { states: { ...states, ...lastDay.ended }, lastHour, lastDay };
}

function windowOf(since: number, now: number, { ended, wait, run }: Performance): StatsWindow {
  const total = Object.values(ended).reduce((sum, count) => sum + count, 0);
  const minutes = Math.max(1, (now - since) / 60_000);
  return {
    since: new Date(since).toISOString(),
    ended,
    perMinute: Math.round((total / minutes) * 10_000) / 10_000,
    waitMs: quantiles(wait),
    runMs: quantiles(run),
  };
}

function quantiles(histogram: Histogram) {
  return { p50: quantile(histogram, 0.5), p95: quantile(histogram, 0.95) };
}
