/** Estimates of how many tasks there are. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { estimateOver, sampleTimes } from "../../src/core/count-estimate.ts";
import { firstIdAt, idTime } from "../../src/core/id-time.ts";

it("is right where tasks come evenly, whatever the samples", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 8 }), (spans) => {
      const samples = spans.map((spanMs) => ({ found: 3 * spanMs, spanMs }));
      expect(estimateOver(1_000_000, samples)).toBe(3_000_000);
    }),
  );
});

it("is never below what the samples hold, and nothing where they hold nothing", () => {
  const samples = fc.array(fc.record({ found: fc.nat(1_000), spanMs: fc.nat(100_000) }));
  fc.assert(
    fc.property(samples, fc.nat(1_000_000), (all, ms) => {
      const found = all.reduce((sum, sample) => sum + sample.found, 0);
      expect(estimateOver(ms, all)).toBeGreaterThanOrEqual(found);
      expect(estimateOver(ms, all) === 0).toBe(found === 0);
    }),
  );
});

it("lets a burst in one sample weigh no more than its time", () => {
  const even = [1, 2, 3].map(() => ({ found: 1_000, spanMs: 10_000 }));
  expect(estimateOver(1_000_000, [{ found: 1_000, spanMs: 1 }, ...even])).toBeLessThan(150_000);
});

it("begins samples inside of the time, the first at its end", () => {
  expect(sampleTimes(1_000, 9_000, 4)).toEqual([9_000, 7_000, 5_000, 3_000]);
});

it("reads the time from an id", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (at) => {
      expect(idTime(firstIdAt("task", at))).toBe(at);
    }),
  );
});
