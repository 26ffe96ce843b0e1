/** A tenant's figures over time, from the rollups alone. */

import { SERIES_METRICS, type Series, type SeriesMetric } from "../../contract/series.ts";
import type { Kind } from "../../core/counts.ts";
import { quantile, type Histogram } from "../../core/histogram.ts";
import {
  beginsOf,
  OTHERS,
  SERIES_SPANS,
  seriesOf,
  type Counted,
  type Figures,
  type SeriesSpan,
} from "../../core/series.ts";
import { beginningOf, DAY_SPAN, readSpans, SPANS } from "../../results/rollups.ts";
import { writeCounts } from "./observe.ts";

/** What a series shows. */
export interface SeriesQuery {
  span: SeriesSpan;
  by: keyof Kind | null;
  /** Null: all. */
  metric: SeriesMetric | null;
}

/** The series that ends at `now`, in ms since the epoch. */
export async function describeSeries(
  env: Env,
  tenant: string,
  { span, by, metric }: SeriesQuery,
  now: number,
): Promise<Series> {
  await writeCounts(env);
  const { stepMs } = SERIES_SPANS[span];
  const begins = beginsOf(span, now);
  const { names, points } = seriesOf(await read(env, tenant, begins, stepMs, now), begins, stepMs, by);
  const metrics = metric === null ? SERIES_METRICS : [metric];
  return {
    span,
    stepMs,
    names,
    items: points.map(({ at, groups, ...whole }) => ({
      at: new Date(at).toISOString(),
      ...shown(whole, metrics),
      ...(by === null
        ? {}
        : {
            groups: [...names, OTHERS].flatMap((name) => {
              const own = groups.get(name);
              return own === undefined ? [] : [{ name: name === OTHERS ? null : name, ...shown(own, metrics) }];
            }),
          }),
    })),
  };
}

async function read(env: Env, tenant: string, begins: number[], stepMs: number, now: number): Promise<Counted[]> {
  if (stepMs !== DAY_SPAN) {
    return readSpans(env.DB, tenant, stepMs === SPANS.minute ? SPANS.minute : SPANS.hour, begins, now);
  }
  // Hours become days when they are a month old: until then a day is the sum of its hours.
  const first = beginningOf(DAY_SPAN, now - 32 * DAY_SPAN);
  const hours = Array.from({ length: Math.ceil((now - first) / SPANS.hour) }, (_, i) => first + i * SPANS.hour);
  const [days, lately] = await Promise.all([
    readSpans(env.DB, tenant, DAY_SPAN, begins, now),
    readSpans(env.DB, tenant, SPANS.hour, hours, now),
  ]);
  return [...days, ...lately];
}

function shown({ ended, wait, run, errors, waits }: Figures, metrics: readonly SeriesMetric[]) {
  const all = {
    ended: () => ({ ended }),
    wait: () => ({ waitMs: quantiles(wait) }),
    run: () => ({ runMs: quantiles(run) }),
    errors: () => ({ errors }),
    waits: () => ({ waits }),
  };
  return Object.assign({}, ...metrics.map((metric) => all[metric]())) as Omit<Series["items"][number], "at" | "groups">;
}

function quantiles(histogram: Histogram) {
  return { p50: quantile(histogram, 0.5), p95: quantile(histogram, 0.95) };
}
