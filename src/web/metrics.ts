/** `GET /metrics`: metrics for Prometheus. */

import { clockOf } from "../broker/poke.ts";
import type { LaneResource } from "../contract/lane.ts";
import { performances, sumOf, type Performance } from "../core/counts.ts";
import { boundOf, countUpTo, sizeOf, type Histogram } from "../core/histogram.ts";
import { describeLanes } from "../engine/lanes/lanes.ts";
import { writeCounts } from "../engine/stats/observe.ts";
import { describeQuotas } from "../engine/quota.ts";
import { isKnown } from "../engine/registry.ts";
import { storageOf } from "../engine/storage.ts";
import { countLiveByTask, type TaskCount } from "../results/live-counts.ts";
import { readRollups, SPANS } from "../results/rollups.ts";
import { expose, EXPOSITION_TYPE, type Metric, type Sample } from "./exposition.ts";
import { operation } from "./operation.ts";

/** Each bound is four times the one before: from a millisecond to 17 minutes. */
const BOUNDS = Array.from({ length: 11 }, (_, i) => i * 8);

export const getMetrics = operation({
  id: "getMetrics",
  method: "get",
  path: "/metrics",
  tag: "operations",
  summary: "Read metrics for Prometheus",
  description:
    "Of tasks and quotas, those of the key's tenant; of lanes, queues and the clock, the deployment's. Counters and histograms count from the deployment's beginning.",
  scope: "read",
  answers: { 200: { description: "The metrics", also: { "text/plain": "Prometheus' text format, version 0.0.4" } } },
  problems: ["unavailable"],
  async handle({ c, env, principal }) {
    const now = Date.now();
    await writeCounts(env);
    const [live, totals, lanes, { quotas }, clock] = await Promise.all([
      countLiveByTask(env.DB, principal.tenant),
      readRollups(env.DB, principal.tenant, SPANS.total, [0], now),
      describeLanes(env, now),
      describeQuotas(env, principal.tenant, now),
      clockOf(env)
        .status()
        .catch(() => null),
    ]);
    const { sizeBytes, maxBytes } = storageOf(env);
    const kinds = performances(sumOf(totals), ({ task, lane }) => `${task} ${lane}`);
    const metrics = [
      ...taskMetrics(live.counts, kinds, (task) => isKnown(task, env)),
      ...laneMetrics(lanes),
      ...quotaMetrics(quotas),
      gauge("lovage_counts_capped", "1 where there is too much on its way to count: gauges are then lower bounds.", [
        { labels: {}, value: Number(live.capped || lanes.some((lane) => lane.capped)) },
      ]),
      gauge(
        "lovage_clock_lag_seconds",
        "How far the clock is behind its own alarm.",
        clock === null ? [] : [{ labels: {}, value: clock.lagMs / 1_000 }],
      ),
      gauge(
        "lovage_database_bytes",
        "How large the database is; pages that a purge has emptied do not count.",
        sizeBytes === null ? [] : [{ labels: {}, value: sizeBytes }],
      ),
      gauge("lovage_database_max_bytes", "How large it may become; from 90 % on new work is refused.", [
        { labels: {}, value: maxBytes },
      ]),
    ];
    return c.body(expose(metrics), 200, { "Content-Type": EXPOSITION_TYPE, "Cache-Control": "no-store" });
  },
});

function gauge(name: string, help: string, samples: Sample[]): Metric {
  return { name, type: "gauge", help, samples };
}

function taskMetrics(
  live: TaskCount[],
  kinds: ReadonlyMap<string, Performance>,
  isKnown: (task: string) => boolean,
): Metric[] {
  const all = [...kinds].map(([kind, performance]) => {
    const [task = "", lane = ""] = kind.split(" ");
    return { labels: { task, lane }, performance };
  });
  return [
    gauge(
      "lovage_tasks_unknown",
      "Tasks that have not ended and whose name the running code does not know.",
      live
        .filter(({ task }) => !isKnown(task))
        .map(({ task, lane, state, count }) => ({ labels: { task, lane, state }, value: count })),
    ),
    gauge(
      "lovage_tasks",
      "Tasks that have not ended.",
      live.map(({ task, lane, state, count }) => ({ labels: { task, lane, state }, value: count })),
    ),
    {
      name: "lovage_tasks_ended_total",
      type: "counter",
      help: "Tasks that have ended, by the state that they ended in.",
      samples: all.flatMap(({ labels, performance }) =>
        Object.entries(performance.ended).map(([state, value]) => ({ labels: { ...labels, state }, value })),
      ),
    },
    {
      name: "lovage_attempt_wait_seconds",
      type: "histogram",
      help: "From when an attempt could have started until it did.",
      samples: all.flatMap(({ labels, performance }) => histogramSamples(labels, performance.wait)),
    },
    {
      name: "lovage_attempt_run_seconds",
      type: "histogram",
      help: "From an attempt's start to its end.",
      samples: all.flatMap(({ labels, performance }) => histogramSamples(labels, performance.run)),
    },
  ];
}

function histogramSamples(labels: Record<string, string>, histogram: Histogram): Sample[] {
  const size = sizeOf(histogram);
  return [
    ...BOUNDS.map((bucket) => ({
      labels: { ...labels, le: String(boundOf(bucket) / 1_000) },
      value: countUpTo(histogram, bucket),
      suffix: "_bucket",
    })),
    { labels: { ...labels, le: "+Inf" }, value: size, suffix: "_bucket" },
    { labels, value: histogram.sumMs / 1_000, suffix: "_sum" },
    { labels, value: size, suffix: "_count" },
  ];
}

function quotaMetrics(quotas: Record<string, { used: number; limit: number }>): Metric[] {
  const of = (what: "used" | "limit") =>
    Object.entries(quotas).map(([quota, each]) => ({ labels: { quota }, value: each[what] }));
  return [
    gauge(
      "lovage_quota_used",
      "What the tenant uses of a quota; tasks, bytes and signals are counted now and then.",
      of("used"),
    ),
    gauge("lovage_quota_limit", "How much of it the tenant may use.", of("limit")),
  ];
}

function laneMetrics(lanes: LaneResource[]): Metric[] {
  const of = (value: (lane: LaneResource) => number | null) =>
    lanes.flatMap((lane) => {
      const shown = value(lane);
      return shown === null ? [] : [{ labels: { lane: lane.name }, value: shown }];
    });
  return [
    gauge(
      "lovage_lane_paused",
      "1 while the lane is held back.",
      of((lane) => Number(lane.paused)),
    ),
    gauge(
      "lovage_lane_queued",
      "Tasks of all tenants that wait for a worker.",
      of((lane) => lane.queued),
    ),
    gauge(
      "lovage_lane_running",
      "Attempts of all tenants that run.",
      of((lane) => lane.running),
    ),
    gauge(
      "lovage_lane_backlog_messages",
      "Messages that wait in the lane's queue, each for up to a hundred tasks.",
      of((lane) => lane.backlog),
    ),
  ];
}
