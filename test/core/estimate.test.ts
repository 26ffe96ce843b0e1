/** Estimates: exact where there is a timer or a rate, from recent times otherwise, and never in the past. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bySlots,
  byProgress,
  byRunTimes,
  byTimer,
  byWaitTimes,
  latest,
  turnUnder,
  type Estimate,
} from "../../src/core/estimate.ts";
import { bucketOf, quantile, type Histogram } from "../../src/core/histogram.ts";

const NOW = 1_000_000;

function histogramOf(...durations: number[]): Histogram {
  const buckets = new Map<number, number>();
  for (const ms of durations) buckets.set(bucketOf(ms), (buckets.get(bucketOf(ms)) ?? 0) + 1);
  return { buckets, sumMs: durations.reduce((sum, ms) => sum + ms, 0) };
}

const RUN = histogramOf(1_000, 1_000, 1_000, 9_000);
const P50 = quantile(RUN, 0.5)!;
const P95 = quantile(RUN, 0.95)!;

describe("an estimate", () => {
  it.each<[string, Estimate | null, Estimate | null]>([
    ["a timer that is to come", byTimer(NOW + 5, NOW), { at: NOW + 5, from: "timer" }],
    ["a timer that is over", byTimer(NOW, NOW), null],
    ["no timer", byTimer(null, NOW), null],
    ["the end of a young run", byRunTimes(NOW - 100, RUN, NOW), { at: NOW - 100 + P50, from: "run_times" }],
    [
      "the end of a run that half were faster than",
      byRunTimes(NOW - 3_000, RUN, NOW),
      { at: NOW - 3_000 + P95, from: "run_times" },
    ],
    ["the end of a run that nearly all were faster than", byRunTimes(NOW - 60_000, RUN, NOW), null],
    ["the end of a run of which there is no other", byRunTimes(NOW, histogramOf(), NOW), null],
    ["the start of what has just come", byWaitTimes(NOW, RUN, NOW), { at: NOW + P50, from: "wait_times" }],
    [
      "a run that has done a quarter in a second",
      byProgress(NOW - 1_500, 25, NOW - 500, NOW),
      { at: NOW + 2_500, from: "progress" },
    ],
    ["a run that should have ended", byProgress(NOW - 9_000, 50, NOW - 8_000, NOW), null],
    ["a run that has done nothing", byProgress(NOW - 9_000, 0, NOW, NOW), null],
    ["a run without a total", byProgress(NOW - 9_000, null, NOW, NOW), null],
    ["what an earlier attempt told", byProgress(NOW - 1_000, 50, NOW - 2_000, NOW), null],
    ["no reasons", latest([]), null],
    [
      "two reasons",
      latest([
        { at: 1, from: "timer" },
        { at: 2, from: "rate" },
      ]),
      { at: 2, from: "rate" },
    ],
    ["two reasons of which one may last for ever", latest([{ at: 1, from: "timer" }, null]), null],
  ])("of %s", (_, estimate, expected) => {
    expect(estimate).toEqual(expected);
  });
});

describe("the start under a key whose places are taken", () => {
  const line = { limit: 2, startedAts: [NOW - 600, NOW - 200] };

  it.each([
    [1, NOW - 600 + P50],
    [2, NOW - 200 + P50],
    [3, NOW - 600 + 2 * P50],
    [6, NOW - 200 + 3 * P50],
  ])("of number %i in line comes when so many have ended", (position, at) => {
    expect(bySlots(line, position, RUN, NOW)).toEqual({ at, from: "run_times" });
  });

  it("comes later where the limit was lowered below those that run", () => {
    expect(bySlots({ ...line, limit: 1 }, 1, RUN, NOW)).toEqual({ at: NOW - 200 + P50, from: "run_times" });
  });

  it("is not known where nothing ran lately, or the task that has the slot should have ended long ago", () => {
    expect(bySlots(line, 1, histogramOf(), NOW)).toBe(null);
    expect(bySlots({ limit: 1, startedAts: [NOW - 60_000] }, 1, RUN, NOW)).toBe(null);
  });
});

describe("the turn under a rate", () => {
  it.each([
    ["is the bucket's for the first", { tat: NOW + 40, interval: 100, tolerance: 0 }, 1, NOW + 40],
    ["comes an interval later for each before it", { tat: NOW + 40, interval: 100, tolerance: 0 }, 4, NOW + 340],
    ["is now where nothing was used", { tat: 0, interval: 100, tolerance: 300 }, 4, NOW],
    ["comes after a burst", { tat: 0, interval: 100, tolerance: 300 }, 5, NOW + 100],
  ])("%s", (_, bucket, position, at) => {
    expect(turnUnder(bucket, position, NOW)).toBe(at);
  });
});

it("is never in the past, whatever it is made from", () => {
  const instant = fc.integer({ min: NOW - 100_000, max: NOW + 100_000 });
  const durations = fc.array(fc.integer({ min: 0, max: 50_000 }), { maxLength: 5 });
  const position = fc.integer({ min: 1, max: 50 });
  fc.assert(
    fc.property(
      instant,
      instant,
      durations,
      position,
      fc.array(instant, { maxLength: 4 }),
      (begin, at, times, n, starts) => {
        const recent = histogramOf(...times);
        const estimates = [
          byTimer(at, NOW),
          byRunTimes(begin, recent, NOW),
          byWaitTimes(begin, recent, NOW),
          byProgress(begin, n * 2, at, NOW),
          bySlots({ limit: Math.max(1, starts.length - 1), startedAts: starts }, n, recent, NOW),
        ];
        expect(estimates.filter((estimate) => estimate !== null && estimate.at <= NOW)).toEqual([]);
        expect(turnUnder({ tat: at, interval: n, tolerance: n }, n, NOW)).toBeGreaterThanOrEqual(NOW);
      },
    ),
  );
});
