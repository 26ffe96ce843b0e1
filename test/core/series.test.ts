/** Figures over time, whose parts add up to what was counted. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countAttempt, countEnd, type Counts } from "../../src/core/counts.ts";
import { sizeOf } from "../../src/core/histogram.ts";
import {
  addSizes,
  beginsOf,
  countError,
  countWait,
  largest,
  MAX_SERIES_GROUPS,
  OTHERS,
  pointsOf,
  SERIES_SPANS,
  type Counted,
  type SeriesSpan,
} from "../../src/core/series.ts";

const NOW = Date.UTC(2026, 10, 28, 9, 41, 12);

describe("the points of a series", () => {
  it.each(Object.keys(SERIES_SPANS) as SeriesSpan[])("of %s end with the one that goes on, a step apart", (span) => {
    const begins = beginsOf(span, NOW);
    const { points, stepMs } = SERIES_SPANS[span];
    expect(begins.length).toBe(points);
    expect(begins.at(-1)! <= NOW && begins.at(-1)! + stepMs > NOW).toBe(true);
    expect(begins.every((at, i) => at % stepMs === 0 && (i === 0 || at === begins[i - 1]! + stepMs))).toBe(true);
  });

  it("add up to what was counted, in all and over their groups, however many there are", () => {
    const kind = fc.record({ task: fc.nat({ max: 30 }).map((n) => `t${n}`), lane: fc.constantFrom("default", "bulk") });
    const seen = fc.record({ kind, minutesAgo: fc.nat({ max: 59 }), fails: fc.boolean(), waits: fc.boolean() });
    fc.assert(
      fc.property(fc.array(seen, { maxLength: 60 }), fc.constantFrom("task", "lane", null), (all, by) => {
        const counted = all.map(({ kind, minutesAgo, fails, waits }): Counted => {
          const [counts, causes]: Counts[] = [{}, {}];
          countEnd(counts!, kind, fails ? "failed" : "succeeded");
          countAttempt(counts!, kind, 10, 1_000);
          if (fails) countError(causes!, kind, "A b: c");
          if (waits) countWait(causes!, kind, "lane");
          return { at: NOW - minutesAgo * 60_000, counts: counts!, causes: causes! };
        });
        const sizes = new Map<string, number>();
        if (by !== null) addSizes(sizes, counted, by);
        const names = largest(sizes);
        const points = pointsOf(counted, beginsOf("1h", NOW), 60_000, by, names);
        expect(names.length).toBeLessThanOrEqual(MAX_SERIES_GROUPS);
        const sums = points.map(({ ended, errors, waits, run }) => [
          ended.failed + ended.succeeded,
          errors["A_b_c"] ?? 0,
          waits["lane"] ?? 0,
          sizeOf(run),
        ]);
        const total = (i: number) => sums.reduce((sum, each) => sum + each[i]!, 0);
        const fails = all.filter((each) => each.fails).length;
        expect([total(0), total(1), total(2), total(3)]).toEqual([
          all.length,
          fails,
          all.filter((each) => each.waits).length,
          all.length,
        ]);
        for (const { ended, groups } of points) {
          const failed = [...groups.values()].reduce((sum, group) => sum + group.ended.failed, 0);
          expect(failed).toBe(by === null ? 0 : ended.failed);
          expect([...groups.keys()].every((name) => name === OTHERS || names.includes(name))).toBe(true);
        }
      }),
    );
  });

  it.each(["constructor", "toString", "__proto__"])("count errors of a type that is named %s", (type) => {
    const causes: Counts = {};
    for (let n = 0; n < 3; n++) countError(causes, { task: "t", lane: "default" }, type);
    const [point] = pointsOf([{ at: NOW, counts: {}, causes }], [NOW - (NOW % 60_000)], 60_000, "task", ["t"]);
    expect(JSON.stringify(point!.errors)).toBe(`{"${type}":3}`);
    expect(JSON.stringify(point!.groups.get("t")!.errors)).toBe(`{"${type}":3}`);
  });

  it("know a bounded number of error types", () => {
    const causes: Counts = {};
    for (let n = 0; n < 1_000; n++) countError(causes, { task: "t", lane: "default" }, `E${n}`);
    expect(Object.keys(causes).length).toBeLessThanOrEqual(51);
    expect(Object.values(causes).reduce((sum, count) => sum + count, 0)).toBe(1_000);
  });
});
