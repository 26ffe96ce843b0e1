/** The ratios that the report begins with. */
import { ratio, type Place, type Row } from "./figures.ts";
import type { Ratio } from "./statistics.ts";

/** What a ratio compares, and its target: a minimum for a rate, a maximum for a cost or a time. */
export type Comparison = {
  what: string;
  above: Place;
  below: Place;
  atLeast?: number;
  atMost?: number;
};

export type Compared = Comparison & Ratio;

const of = (subject: string, measure: string, figure: string): Place => ({ subject, measure, figure });

/** Compares Lovage with another subject, by the same figure of the same measure. */
const beside = (subject: string, measure: string, figure: string): Pick<Comparison, "above" | "below"> => ({
  above: of("lovage", measure, figure),
  below: of(subject, measure, figure),
});

const BULK_TO_CELERY = of("celery", "submit-32", "tasksPerS");

export const COMPARISONS: readonly Comparison[] = [
  {
    what: "submit one by one, 32 connections: to the bare Worker",
    ...beside("bare", "submit-32", "tasksPerS"),
    atLeast: 0.5,
  },
  { what: "submit one by one, 32 connections: to the plain Worker", ...beside("plain", "submit-32", "tasksPerS") },
  { what: "submit one by one, 32 connections: to Celery", ...beside("celery", "submit-32", "tasksPerS"), atLeast: 1.4 },
  {
    what: "submit one by one, 32 connections: to BullMQ",
    ...beside("bullmq", "submit-32", "tasksPerS"),
    atLeast: 0.55,
  },
  { what: "end to end one by one: to the bare Worker", ...beside("bare", "submit-32", "endToEndPerS"), atLeast: 0.5 },
  { what: "end to end one by one: to the plain Worker", ...beside("plain", "submit-32", "endToEndPerS") },
  { what: "end to end one by one: to Celery", ...beside("celery", "submit-32", "endToEndPerS"), atLeast: 1.2 },
  { what: "end to end one by one: to BullMQ", ...beside("bullmq", "submit-32", "endToEndPerS") },
  { what: "CPU per task, one by one: to the plain Worker", ...beside("plain", "submit-32", "cpuMsPerTask") },
  { what: "CPU per task, one by one: to Celery", ...beside("celery", "submit-32", "cpuMsPerTask"), atMost: 0.6 },
  { what: "one task polled, p50: to Celery", ...beside("celery", "latency-polled", "p50Ms") },
  { what: "one task with wait, p50: to Celery", ...beside("celery", "latency-wait", "p50Ms"), atMost: 1.3 },
  {
    what: "bulk submit of 1,000: to Celery one by one",
    above: of("lovage", "bulk-1000", "tasksPerS"),
    below: BULK_TO_CELERY,
    atLeast: 15,
  },
  { what: "bulk submit of 1,000: to BullMQ's addBulk", ...beside("bullmq", "bulk-1000", "tasksPerS"), atLeast: 3 },
  { what: "bulk end to end: to the plain Worker", ...beside("plain", "bulk-1000", "endToEndPerS") },
  { what: "bulk end to end: to Celery", ...beside("celery", "bulk-1000", "endToEndPerS"), atLeast: 10 },
  { what: "bulk end to end: to BullMQ", ...beside("bullmq", "bulk-1000", "endToEndPerS"), atLeast: 1 },
  { what: "40 sleeps of 1 s, to the last end: to Celery", ...beside("celery", "sleeps", "totalS") },
  { what: "chain of 100, to its end: to Celery", ...beside("celery", "chain", "totalMs") },
  { what: "chord of 1,000, to its end: to Celery", ...beside("celery", "chord", "totalMs") },
  {
    what: "with 1,000,000 ended tasks, to an empty database: submit",
    above: of("million", "submit-32", "tasksPerS"),
    below: of("empty", "submit-32", "tasksPerS"),
    atLeast: 0.95,
  },
  {
    what: "with 1,000,000 ended tasks, to an empty database: end to end",
    above: of("million", "submit-32", "endToEndPerS"),
    below: of("empty", "submit-32", "endToEndPerS"),
    atLeast: 0.95,
  },
  {
    what: "with 1,000,000 ended tasks, to an empty database: bulk, end to end",
    above: of("million", "bulk-1000", "endToEndPerS"),
    below: of("empty", "bulk-1000", "endToEndPerS"),
    atLeast: 0.95,
  },
];

/** The comparisons of which this run has both figures. */
export function compare(rows: readonly Row[]): Compared[] {
  return COMPARISONS.flatMap((comparison) => {
    const found = ratio(rows, comparison.above, comparison.below);
    return found === null ? [] : [{ ...comparison, ...found }];
  });
}

/** A single figure, with its target where it has one. */
export type Aim = { what: string; place: Place; unit: string; atLeast?: number; atMost?: number };

export const AIMS: readonly Aim[] = [
  { what: "D1 statements of a plain task, alone", place: of("counts", "alone", "statements"), unit: "", atMost: 4 },
  { what: "round trips to D1 of a plain task, alone", place: of("counts", "alone", "roundTrips"), unit: "", atMost: 3 },
  {
    what: "serial D1 with delays: single posts to the end, 32 connections",
    place: of("delays", "submit-32", "endToEndPerS"),
    unit: "tasks/s",
    atLeast: 210,
  },
  {
    what: "serial D1 with delays: one task with wait, p50",
    place: of("delays", "latency-wait", "p50Ms"),
    unit: "ms",
    atMost: 80,
  },
  {
    what: "serial D1 with delays: bulk of 1,000 to the end",
    place: of("delays", "bulk-1000", "endToEndPerS"),
    unit: "tasks/s",
    atLeast: 2_000,
  },
  {
    what: "the largest heap of an isolate, 10,000 tasks in flight",
    place: of("memory", "in-flight", "largestHeapMb"),
    unit: "MB",
    atMost: 128,
  },
  { what: "memory (PSS) of the service at idle", place: of("lovage", "memory", "idlePssMb"), unit: "MB" },
  {
    what: "memory (PSS) of the service, 10,000 tasks in flight",
    place: of("memory", "in-flight", "peakPssMb"),
    unit: "MB",
  },
];
