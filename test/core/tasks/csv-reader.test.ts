import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CsvReader } from "../../../src/app/tasks/csv/csv-reader.ts";

interface Row {
  fields: string[];
  line: number;
}

function read(...pieces: string[]): Row[] {
  const rows: Row[] = [];
  const reader = new CsvReader((fields, line) => rows.push({ fields, line }));
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return rows;
}

function fields(text: string): string[][] {
  return read(text).map((row) => row.fields);
}

function pieces(text: string, cuts: number[]): string[] {
  const at = cuts.map((cut) => Math.min(cut, text.length)).toSorted((a, b) => a - b);
  return [...at, text.length].map((end, i) => text.slice(at[i - 1] ?? 0, end));
}

/** Text full of what makes CSV hard. */
const field = fc.string({
  unit: fc.constantFrom("a", "é", "😀", "0", " ", ",", '"', "\n", "\r", "\r\n", "\uFEFF"),
  maxLength: 6,
});

const table = fc
  .integer({ min: 1, max: 4 })
  .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }));

/** Quotes where it must, and elsewhere as the generator likes. */
function write(rows: string[][], ends: string[], quoteAlways: boolean[], lastEnd: boolean): string {
  let cell = 0;
  const lines = rows.map((row) =>
    row
      .map((value) => {
        const needed = /[",\r\n]/.test(value) || (row.length === 1 && value === "");
        return needed || quoteAlways[cell++ % quoteAlways.length] ? `"${value.replaceAll('"', '""')}"` : value;
      })
      .join(","),
  );
  return lines
    .map((line, i) => (i < lines.length - 1 || lastEnd ? line + (ends[i % ends.length] ?? "\n") : line))
    .join("");
}

describe("CsvReader", () => {
  it("gives back any table, however it is quoted, ended and cut into pieces", () => {
    fc.assert(
      fc.property(
        table,
        fc.array(fc.constantFrom("\n", "\r\n", "\r"), { minLength: 1, maxLength: 3 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
        fc.boolean(),
        fc.array(fc.nat(120), { maxLength: 8 }),
        (rows, ends, quoteAlways, lastEnd, cuts) => {
          const text = write(rows, ends, quoteAlways, lastEnd);
          expect(read(...pieces(text, cuts)).map((row) => row.fields)).toEqual(rows);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("gives the same rows, lines and errors for any text, whatever the pieces", () => {
    const outcome = (...texts: string[]) => {
      try {
        return read(...texts);
      } catch (error) {
        return String(error);
      }
    };
    const text = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r"), maxLength: 24 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(24), { maxLength: 24 }), (whole, cuts) => {
        expect(outcome(...pieces(whole, cuts))).toEqual(outcome(whole));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each<[string, string[][]]>([
    ["", []],
    ["a", [["a"]]],
    ["a,b", [["a", "b"]]],
    ["a,", [["a", ""]]],
    [",", [["", ""]]],
    ["a\n", [["a"]]],
    ["a\r\nb\r\n", [["a"], ["b"]]],
    ["a\rb\nc", [["a"], ["b"], ["c"]]],
    [
      "a,b\r,\nc,d",
      [
        ["a", "b"],
        ["", ""],
        ["c", "d"],
      ],
    ],
    ["a\n\nb\n\n\n", [["a"], ["b"]]],
    ["\r\n\r\na", [["a"]]],
    ['""', [[""]]],
    ['a\n""\nb', [["a"], [""], ["b"]]],
    ['"",""', [["", ""]]],
    ['""""', [['"']]],
    ['"a""b","c,d"', [['a"b', "c,d"]]],
    ['"a\nb",c', [["a\nb", "c"]]],
    ['"a\r\nb",c\r\n', [["a\r\nb", "c"]]],
    [" a , b ", [[" a ", " b "]]],
    ['"a"\r\n"b"', [["a"], ["b"]]],
  ])("reads %j", (text, rows) => {
    expect(fields(text)).toEqual(rows);
  });

  it("tells the line on which a row begins, over blank lines and line breaks in quotes", () => {
    const rows = read('h\r\n"two\r\nlines"\n\n"a\rb\nc"\rlast');
    expect(rows.map((row) => row.line)).toEqual([1, 2, 5, 8]);
    expect(read('a\r"\nb"\nc').map((row) => row.line)).toEqual([1, 2, 4]);
  });

  it.each([
    ['a\nb\n"c', "line 3: the quote that opens here is never closed"],
    ['a\n"b\nc\nd', "line 2: the quote that opens here is never closed"],
    ['a,"', "line 1: the quote that opens here is never closed"],
    ['"a" ,b', "line 1: text after a closing quote"],
    ['x\n"a\nb"c', "line 3: text after a closing quote"],
    ['x\r\na"b', "line 2: a quote inside a field that does not begin with one"],
    ['x\n "a"', "line 2: a quote inside a field that does not begin with one"],
    [`x\n${",".repeat(1_000)}`, "line 2: more than 1000 fields"],
  ])("refuses %j", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it("gives up on a quote that swallows the file, and says where it opened", () => {
    const reader = new CsvReader(() => {});
    reader.push('a\nb\n"');
    const push = () => {
      for (let i = 0; i < 40; i++) reader.push("text\n".repeat(10_000));
    };
    expect(push).toThrow(/^line 3: a field of more than 1048576 characters/);
  });
});
