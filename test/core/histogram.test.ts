/** Quantiles of histograms, beside those of the durations themselves. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countAttempt, countEnd, performances, sumOf, type Counts } from "../../src/core/counts.ts";
import { boundOf, bucketOf, countUpTo, quantile, sizeOf, type Histogram } from "../../src/core/histogram.ts";

function histogramOf(durations: number[]): Histogram {
  const buckets = new Map<number, number>();
  for (const ms of durations) buckets.set(bucketOf(ms), (buckets.get(bucketOf(ms)) ?? 0) + 1);
  return { buckets, sumMs: durations.reduce((sum, ms) => sum + ms, 0) };
}

const durations = fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 1_000_000_000 })), {
  minLength: 1,
  maxLength: 200,
});

describe("a histogram", () => {
  it("puts every duration into the first bucket whose bound is not below it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000 }), (ms) => {
        const bucket = bucketOf(ms);
        expect(ms).toBeLessThanOrEqual(boundOf(bucket) * (1 + 1e-9));
        expect(bucket === 0 || ms > boundOf(bucket - 1) * (1 - 1e-9)).toBe(true);
      }),
    );
  });

  it("knows every quantile to within a millisecond and 9 %", () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (all, q) => {
        const sorted = all.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * all.length)) - 1]!;
        const found = quantile(histogramOf(all), q)!;
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(1 + exact * 0.0906);
      }),
    );
  });

  it("knows none where there is nothing", () => {
    expect(quantile(histogramOf([]), 0.5)).toBeNull();
  });

  it("counts what is below a bound, exactly where the bound is one of its own", () => {
    fc.assert(
      fc.property(durations, fc.integer({ min: 0, max: 20 }), (all, doublings) => {
        const histogram = histogramOf(all);
        expect(sizeOf(histogram)).toBe(all.length);
        expect(countUpTo(histogram, doublings * 4)).toBe(all.filter((ms) => ms <= 2 ** doublings).length);
      }),
    );
  });
});

describe("counters", () => {
  it("add up by whatever one asks for", () => {
    const minutes: Counts[] = [{}, {}];
    const [first, second] = minutes;
    countEnd(first!, { task: "a.b", lane: "bulk" }, "succeeded");
    countAttempt(first!, { task: "a.b", lane: "bulk" }, 5, 100);
    countEnd(second!, { task: "a.b", lane: "high" }, "failed");
    countAttempt(second!, { task: "a.b", lane: "high" }, 7, 200);
    countEnd(second!, { task: "c", lane: "high" }, "succeeded");

    const byTask = performances(sumOf(minutes), (kind) => kind.task);
    expect([...byTask.keys()]).toEqual(["a.b", "c"]);
    expect(byTask.get("a.b")!.ended).toEqual({ succeeded: 1, failed: 1, cancelled: 0, expired: 0 });
    expect(byTask.get("a.b")!.run.sumMs).toBe(300);
    expect(sizeOf(byTask.get("a.b")!.wait)).toBe(2);
    const byLane = performances(sumOf(minutes), (kind) => kind.lane);
    expect([...byLane.keys()]).toEqual(["bulk", "high"]);
    expect(byLane.get("high")!.ended).toMatchObject({ succeeded: 1, failed: 1 });
  });
});
