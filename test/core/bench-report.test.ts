/** The arithmetic of the benchmark's report: a wrong ratio would be believed. */
import { describe, expect, it } from "vitest";
import type { Row } from "../../bench/report/figures.ts";
import { hotFunctions } from "../../bench/report/hot-functions.ts";
import { markdownOf, number } from "../../bench/report/markdown.ts";
import { compare } from "../../bench/report/ratios.ts";
import { median, percentile, ratioOf, slopePerHour, spreadOf } from "../../bench/report/statistics.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => count - i);

describe("a median", () => {
  it("is the middle one, or the middle of the middle two, in whatever order they come", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
    expect(median([10, 9, 100])).toBe(10);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });

  it("comes with the least and the most", () => {
    expect(spreadOf([4, 2, 8])).toEqual({ median: 4, least: 2, most: 8, passes: 3 });
  });
});

describe("a percentile", () => {
  it("is the smallest value that so many do not exceed", () => {
    expect([50, 95, 99, 100].map((percent) => percentile(upTo(200), percent))).toEqual([100, 190, 198, 200]);
    expect([50, 95, 99].map((percent) => percentile([3, 1, 2], percent))).toEqual([2, 3, 3]);
    expect(percentile([5], 0)).toBe(5);
    expect(percentile([], 50)).toBeNaN();
  });
});

describe("a ratio", () => {
  const passes = (...values: number[]) => new Map(values.map((value, i) => [i + 1, value]));

  it("is that of the medians, with the range of those within each pass", () => {
    expect(ratioOf(passes(10, 20, 30), passes(10, 40, 20))).toEqual({ ratio: 1, least: 0.5, most: 1.5 });
  });

  it("does without a pass that only one of the two has", () => {
    const above = passes(10, 20);
    const below = new Map([
      [2, 40],
      [3, 60],
    ]);
    expect(ratioOf(above, below)).toEqual({ ratio: 0.3, least: 0.3, most: 0.5 });
  });

  it("is none where one side is missing or nothing", () => {
    expect(ratioOf(passes(1), passes())).toBeNull();
    expect(ratioOf(passes(1), passes(0))).toBeNull();
  });
});

describe("a slope", () => {
  it("is that of the closest line, by the hour", () => {
    const rising = [0, 60_000, 120_000].map((atMs) => ({ atMs, value: 5 + atMs / 60_000 }));
    expect(slopePerHour(rising)).toBeCloseTo(60);
    expect(slopePerHour([1, 3, 3, 1].map((value, atMs) => ({ atMs, value })))).toBeCloseTo(0);
    expect(slopePerHour([{ atMs: 5, value: 1 }])).toBe(0);
  });
});

describe("the report", () => {
  const row = (subject: string, measure: string, pass: number, figures: Row["figures"]): Row => ({
    subject,
    measure,
    pass,
    figures,
  });
  const rows = [
    row("lovage", "submit-32", 1, { tasksPerS: 100, cpuMsPerTask: 3 }),
    row("celery", "submit-32", 1, { tasksPerS: 50, cpuMsPerTask: 6 }),
    row("lovage", "submit-32", 2, { tasksPerS: 300 }),
    row("lovage", "bulk-1000", 1, { tasksPerS: 1_000 }),
    row("counts", "alone", 1, { tasks: 30, statements: 4 }),
  ];

  it("compares what it has both sides of", () => {
    const found = compare(rows).map(({ above, below, ratio }) => [above.figure, below.subject, below.measure, ratio]);
    expect(found).toEqual([
      ["tasksPerS", "celery", "submit-32", 4],
      ["cpuMsPerTask", "celery", "submit-32", 0.5],
      ["tasksPerS", "celery", "submit-32", 20],
    ]);
  });

  it("has the ratios first, says what was left out, and loses no figure", () => {
    const text = markdownOf({
      date: "2026-11-28",
      machine: "a machine",
      passes: 2,
      isQuick: false,
      minutes: 3,
      subjects: [{ name: "lovage", title: "Lovage", about: "itself", versions: [] }],
      leftOut: [{ title: "BullMQ", reason: "redis-server is not installed" }],
      ratios: compare(rows),
      rows,
      failures: [{ subject: "celery", measure: "sleeps", pass: 2, reason: "it was killed" }],
    });
    const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    expect(headings.slice(0, 3)).toEqual(["Ratios", "Single figures", "Submit one by one, and to the end"]);
    expect(text).toContain("- BullMQ is left out: redis-server is not installed.");
    expect(text).toContain("| submit one by one, 32 connections: to Celery | **4** (2–4) | ≥ 1.4 | met |");
    expect(text).toContain("| D1 statements of a plain task, alone | **4** | ≤ 4 | met |");
    expect(text).toContain("| Lovage | 32 | 200 (100–300) | 3 |");
    expect(text).toContain("- pass 2, celery, sleeps: it was killed");
  });

  it("rounds to three digits, and whole numbers not at all", () => {
    expect([0.123_45, 12.345, 1_234.5, 37, 100_000].map(number)).toEqual(["0.123", "12.3", "1,235", "37", "100,000"]);
  });
});

describe("a profile", () => {
  it("gives each sample's time to its function, and the idle time to none", () => {
    const frame = (functionName: string, url = "file:///a/index.js") => ({ functionName, url, lineNumber: 9 });
    const nodes = [
      { id: 1, callFrame: frame("(root)", "") },
      { id: 2, callFrame: frame("(idle)", "") },
      { id: 3, callFrame: frame("claim") },
      { id: 4, callFrame: frame("") },
      // The same function, called from elsewhere.
      { id: 5, callFrame: frame("claim") },
    ];
    const profile = { nodes, samples: [2, 3, 4, 5, 2] };
    expect(hotFunctions(profile, 2, 1)).toEqual({ runMs: 6, hottest: [{ name: "claim index.js:10", selfMs: 4 }] });
    expect(hotFunctions(profile, 2, 5).hottest).toHaveLength(2);
  });
});
