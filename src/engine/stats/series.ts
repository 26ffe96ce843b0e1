/** A tenant's figures over time, from the rollups alone. */

import { SERIES_METRICS, type Series, type SeriesMetric } from "../../contract/series.ts";
import type { Kind } from "../../core/counts.ts";
import { quantile, type Histogram } from "../../core/histogram.ts";
import {
  addSizes,
  beginsOf,
  largest,
  marksOf,
  OTHERS,
  pointsOf,
  SERIES_SPANS,
  type Counted,
  type Figures,
  type SeriesPoint,
  type SeriesSpan,
  type Sizes,
} from "../../core/series.ts";
import { beginningOf, DAY_SPAN, NO_TENANT, readSpans, SPANS } from "../../results/rollups.ts";
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
  const names = by === null ? [] : await namesOf(env, tenant, begins, stepMs, by, now);
  const metrics = metric === null ? SERIES_METRICS : [metric];
  const items: Series["items"] = [];
  for await (const slice of countedIn(env, tenant, begins, stepMs, now)) {
    for (const point of pointsOf(slice.counted, slice.begins, stepMs, by, names)) {
      items.push(present(point, by === null ? null : [...names, OTHERS], metrics));
    }
  }
  return { span, stepMs, names, items, marks: await readMarks(env, begins, stepMs, now) };
}

/** What happened to the service in this time. Minutes are read only where their hour has such a mark. */
async function readMarks(env: Env, begins: readonly number[], stepMs: number, now: number): Promise<Series["marks"]> {
  const hourOf = (at: number) => beginningOf(SPANS.hour, at);
  const isFine = stepMs === SPANS.minute;
  const coarse = isFine ? [...new Set(begins.map(hourOf))] : [...begins];
  let counted = await read(env, NO_TENANT, coarse, isFine ? SPANS.hour : stepMs, hoursOf(stepMs, now), now);
  if (isFine && counted.length > 0) {
    const hours = new Set(counted.map(({ at }) => hourOf(at)));
    const minutes = begins.filter((at) => hours.has(hourOf(at)));
    counted = await readSpans(env.DB, NO_TENANT, SPANS.minute, minutes, now);
  }
  return marksOf(counted).map((mark) => ({ ...mark, at: new Date(mark.at).toISOString() }));
}

function present(
  { at, groups, ...whole }: SeriesPoint,
  names: readonly string[] | null,
  metrics: readonly SeriesMetric[],
): Series["items"][number] {
  const own = { at: new Date(at).toISOString(), ...shown(whole, metrics) };
  if (names === null) return own;
  return {
    ...own,
    groups: names.flatMap((name) => {
      const figures = groups.get(name);
      return figures === undefined ? [] : [{ name: name === OTHERS ? null : name, ...shown(figures, metrics) }];
    }),
  };
}

/** The names of the groups with the largest counts. Whole hours are read as one row each, also where the points are minutes. */
async function namesOf(
  env: Env,
  tenant: string,
  begins: readonly number[],
  stepMs: number,
  by: keyof Kind,
  now: number,
): Promise<string[]> {
  const sizes: Sizes = new Map();
  const isFine = stepMs === SPANS.minute;
  const whole = isFine ? Math.ceil(begins[0]! / SPANS.hour) * SPANS.hour : Infinity;
  const first = begins.filter((at) => at < whole);
  const hours = isFine ? begins.filter((at) => at >= whole && at % SPANS.hour === 0) : [];
  for await (const { counted } of countedIn(env, tenant, first, stepMs, now)) addSizes(sizes, counted, by);
  for await (const { counted } of countedIn(env, tenant, hours, SPANS.hour, now)) addSizes(sizes, counted, by);
  return largest(sizes);
}

/** Rows that are read at a time: one may hold hundreds of counters of each task on each lane. */
const SLICE = 60;

/** In days. Hours become days when they are a month old, so a day that is not older than this is read as the sum of its hours. */
const DAYS_OF_HOURS = 32;

/** The time from which days are read as hours. */
function hoursOf(stepMs: number, now: number): number {
  return stepMs === DAY_SPAN ? beginningOf(DAY_SPAN, now - DAYS_OF_HOURS * DAY_SPAN) : Infinity;
}

/** What was counted in the spans that begin at `begins`, a slice after the other. */
async function* countedIn(
  env: Env,
  tenant: string,
  begins: readonly number[],
  stepMs: number,
  now: number,
): AsyncGenerator<{ begins: readonly number[]; counted: Counted[] }> {
  const hoursSince = hoursOf(stepMs, now);
  const older = begins.filter((at) => at < hoursSince).length;
  for (let i = 0, next: number; i < begins.length; i = next) {
    next = i < older ? Math.min(older, i + SLICE) : i + Math.floor((SLICE * SPANS.hour) / DAY_SPAN);
    const slice = begins.slice(i, next);
    yield { begins: slice, counted: await read(env, tenant, slice, stepMs, hoursSince, now) };
  }
}

async function read(
  env: Env,
  tenant: string,
  begins: number[],
  stepMs: number,
  hoursSince: number,
  now: number,
): Promise<Counted[]> {
  if (stepMs !== DAY_SPAN) {
    return readSpans(env.DB, tenant, stepMs === SPANS.minute ? SPANS.minute : SPANS.hour, begins, now);
  }
  const hours = begins
    .filter((day) => day >= hoursSince)
    .flatMap((day) => Array.from({ length: DAY_SPAN / SPANS.hour }, (_, i) => day + i * SPANS.hour))
    .filter((hour) => hour <= now);
  const [days, lately] = await Promise.all([
    readSpans(env.DB, tenant, DAY_SPAN, begins, now),
    hours.length === 0 ? [] : readSpans(env.DB, tenant, SPANS.hour, hours, now),
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
