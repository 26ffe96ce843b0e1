import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ColumnSummary } from "../../../src/app/tasks/csv/column-summary.ts";

function summarize(values: string[]) {
  const column = new ColumnSummary("c", 1_000);
  for (const value of values) column.add(value);
  return column.summary();
}

describe("ColumnSummary", () => {
  it.each<[string[], string]>([
    [[], "empty"],
    [["", ""], "empty"],
    [["1", "-2", "+3", "0", ""], "integer"],
    [["9007199254740991"], "integer"],
    [["9007199254740992", "+123400000000000000"], "number"],
    [["9223372036854775808"], "string"],
    [["9007199254740993"], "string"],
    [["-9007199254740993"], "string"],
    [["1", "18446744073709551615"], "string"],
    [["9007199254740993.0"], "string"],
    [["1e20"], "number"],
    [["1e400"], "string"],
    [["-1e400"], "string"],
    [["1e-400"], "string"],
    [["0e-400", "0.000"], "number"],
    [["1", "2.5"], "number"],
    [["2.5", "1"], "number"],
    [["1.0"], "number"],
    [["1e3"], "number"],
    [[".5", "5.", "-1.5E-3"], "number"],
    [["true", "FALSE", "True"], "boolean"],
    [["true", "1"], "string"],
    [["yes"], "string"],
    [["2026-01-31"], "date"],
    [
      [
        "2024-02-29",
        "2026-01-31T23:59:59.123456Z",
        "2026-01-31 10:00",
        "2026-01-31T10:00:00+05:30",
        "2026-01-31T10:00-0800",
      ],
      "date",
    ],
    [["2026-02-29"], "string"],
    [["2026-13-01"], "string"],
    [["2026-00-01"], "string"],
    [["2026-01-00"], "string"],
    [["2026-01-31T24:00"], "string"],
    [["2026-1-31"], "string"],
    [["31.01.2026"], "string"],
    [["2026-01-31", "2026"], "string"],
    [["007"], "string"],
    [["-01"], "string"],
    [["00"], "string"],
    [[" 1"], "string"],
    [["1 "], "string"],
    [["1,000"], "string"],
    [["0x10"], "string"],
    [["1_000"], "string"],
    [["1e999"], "string"],
    [["NaN"], "string"],
    [["Infinity"], "string"],
    [["-"], "string"],
    [["."], "string"],
    [["1e"], "string"],
    [["1", "x", "2"], "string"],
  ])("sees in %j the type %s", (values, type) => {
    expect(summarize(values).type).toBe(type);
  });

  it("gives back every integer as it stands in the file, however large", () => {
    const integers = fc.array(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), { minLength: 1 });
    fc.assert(
      fc.property(integers, (values) => {
        const texts = values.map(String);
        const { min, max } = summarize(texts);
        expect(texts).toContain(String(min));
        expect(texts).toContain(String(max));
      }),
    );
  });

  it("counts values and empty fields apart", () => {
    expect(summarize(["a", "", "b", "", "a"])).toEqual({
      name: "c",
      type: "string",
      count: 3,
      nulls: 2,
      distinct: 2,
      min: "a",
      max: "b",
      mean: null,
    });
  });

  it("summarizes integers as numbers", () => {
    expect(summarize(["10", "9", "-0", "2"])).toMatchObject({
      type: "integer",
      min: 0,
      max: 10,
      mean: 5.25,
      distinct: 4,
    });
  });

  it("orders texts as texts, also those that looked like numbers before", () => {
    expect(summarize(["9", "10", "x"])).toMatchObject({ type: "string", min: "10", max: "x", mean: null });
  });

  it("orders dates by instant and shows them as they stand", () => {
    const values = [
      "2026-01-01T00:30:00+02:00",
      "2026-01-01T00:00:00Z",
      "2025-12-31T23:00:00Z",
      "2025-12-31T20:00:00-05:00",
    ];
    expect(summarize(values)).toMatchObject({ type: "date", min: values[0], max: values[3], mean: null });
  });

  it.each([[["true", "false"]], [["", ""]]])("has no extremes and no mean for %j", (values) => {
    expect(summarize(values)).toMatchObject({ min: null, max: null, mean: null });
  });

  it("agrees with plain arithmetic on any numbers", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 50 }), (numbers) => {
        const column = summarize(numbers.map(String));
        expect(column).toMatchObject({
          type: "integer",
          count: numbers.length,
          distinct: new Set(numbers).size,
          min: Math.min(...numbers),
          max: Math.max(...numbers),
          mean: numbers.reduce((sum, number) => sum + number, 0) / numbers.length,
        });
      }),
    );
  });

  it("reads back every double as it was written", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const { type, min, max } = summarize([String(number)]);
        expect(["integer", "number"]).toContain(type);
        expect(min).toBe(number + 0);
        expect(max).toBe(number + 0);
      }),
    );
  });

  it("reads back every instant as it was written", () => {
    fc.assert(
      fc.property(
        fc.array(fc.date({ min: new Date(0), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true }), {
          minLength: 1,
          maxLength: 9,
        }),
        (dates) => {
          const sorted = dates.map((date) => date.toISOString()).toSorted();
          expect(summarize(dates.map((date) => date.toISOString()))).toMatchObject({
            type: "date",
            min: sorted[0],
            max: sorted.at(-1),
          });
        },
      ),
    );
  });

  it("does not lose small numbers beside large ones", () => {
    expect(summarize(["1e16", ...Array<string>(10).fill("1"), "-1e16"]).mean).toBe(10 / 12);
    expect(summarize(["1", "1e100", "1", "-1e100"]).mean).toBe(0.5);
    expect(summarize(Array<string>(10).fill("0.1")).mean).toBe(0.1);
  });

  it("has no mean where the sum is beyond a double", () => {
    expect(summarize(["1.7e308", "1.7e308"])).toMatchObject({ max: 1.7e308, mean: null });
  });

  it("shows the beginning of long texts, ordered by it", () => {
    const [low, high] = [`a${"x".repeat(5_000)}`, `b${"x".repeat(5_000)}`];
    const column = summarize([high, low, high]);
    expect(column).toMatchObject({ min: low.slice(0, 200), max: high.slice(0, 200), distinct: 2 });
  });
});
