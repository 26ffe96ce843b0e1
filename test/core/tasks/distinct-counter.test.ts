import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DistinctCounter } from "../../../src/app/tasks/csv/distinct-counter.ts";
import { runs } from "../../setup/runs.ts";

/** As many as it counts exactly. */
const MANY = runs(20_000, 100_000);

function count(texts: Iterable<string>, limit: number): number {
  const counter = new DistinctCounter(limit);
  for (const text of texts) counter.add(text);
  return counter.count();
}

function* numbered(n: number, write: (i: number) => string): Generator<string> {
  for (let i = 0; i < n; i++) yield write(i);
}

/** What columns really hold: texts that differ in a character or two. */
const SHAPES: Record<string, (i: number) => string> = {
  integers: String,
  padded: (i) => String(i).padStart(12, "0"),
  prices: (i) => (i / 100).toFixed(2),
  hours: (i) => new Date(i * 3_600_000).toISOString(),
  mails: (i) => `user${i}@example.com`,
  runs: (i) => "a".repeat(i % 50) + "b".repeat(Math.floor(i / 50) % 50) + Math.floor(i / 2_500),
  characters: (i) => String.fromCharCode(0x4e00 + (i % 5_000)) + String.fromCharCode(0x61 + Math.floor(i / 5_000)),
};

describe("DistinctCounter", () => {
  it("counts as a set does, up to its limit", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 3 }), { maxLength: 300 }), (texts) => {
        expect(count(texts, 1_000)).toBe(new Set(texts).size);
      }),
    );
  });

  it.each(Object.keys(SHAPES))("counts many %s exactly, however often they come", (shape) => {
    const write = SHAPES[shape] ?? String;
    const expected = new Set(numbered(MANY, write)).size;
    const twice = [...numbered(MANY, write), ...numbered(MANY, write)];
    expect(count(twice, MANY)).toBe(expected);
  });

  it.each(Object.keys(SHAPES))("estimates %s within 3 % beyond its limit", (shape) => {
    const write = SHAPES[shape] ?? String;
    for (const n of [1_500, 5_000, 20_000, runs(60_000, 200_000)]) {
      const expected = new Set(numbered(n, write)).size;
      const error = Math.abs(count(numbered(n, write), 1_000) / expected - 1);
      expect(error, `of ${n}`).toBeLessThan(0.03);
    }
  });

  it("has the standard error it promises", () => {
    const values = runs(5_000, 20_000);
    const errors = Array.from({ length: 200 }, (_, k) => {
      const counted = count(
        numbered(values, (i) => `${k}:${i}`),
        1_000,
      );
      return counted / values - 1;
    });
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
    expect(Math.abs(mean)).toBeLessThan(0.002);
    expect(deviation).toBeLessThan(0.0095);
  });

  it("estimates the same in any order, and never less than what it knows", () => {
    const texts = [...numbered(3_000, String)];
    expect(count(texts.toReversed(), 1_000)).toBe(count(texts, 1_000));
    expect(count(numbered(1_001, String), 1_000)).toBeGreaterThan(1_000);
  });

  it.each([
    { n: 5_000, bytes: 16_384, sure: false },
    { n: 5_000, bytes: 40_000, sure: true },
    { n: 12_000, bytes: 16_384, sure: false },
    { n: 12_000, bytes: 96_000, sure: true },
    { n: 99_000, bytes: 640_000, sure: false },
    { n: 120_000, bytes: 16_384, sure: true },
  ])("merges parts of $n values to what one counter says, or says that it cannot", ({ n, bytes, sure }) => {
    const all = [...numbered(2 * n, (i) => `value ${i % n}`)];
    const expected = count(all, 100_000);
    for (const parts of [1, 2]) {
      const whole = new DistinctCounter(100_000);
      for (let part = 0; part < parts; part++) {
        const counter = new DistinctCounter(100_000);
        for (const text of all.slice((part * all.length) / parts, ((part + 1) * all.length) / parts)) counter.add(text);
        whole.merge(counter.sketch(bytes));
      }
      expect(whole.isSure, `${parts} parts`).toBe(sure);
      expect(Math.abs(whole.count() / expected - 1), `${parts} parts`).toBeLessThan(sure ? 1e-12 : 0.03);
    }
  });
});
