import fc from "fast-check";
import { expect, it } from "vitest";
import { TableSummary, tableStateSchema } from "../../../src/app/tasks/csv/table-summary.ts";

const NAMES = ["a", "b", "c"];

/** Fields of all kinds; a column mostly holds one of them, so that types meet in the middle of a file, too. */
const KINDS = [
  fc.integer().map(String),
  fc.double({ noNaN: true, min: -1e15, max: 1e15 }).map(String),
  fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constantFrom("true", "False", "TRUE"),
  fc.string({ maxLength: 5 }),
  fc.constant(""),
];

const column = fc
  .tuple(fc.constantFrom(...KINDS), fc.constantFrom(...KINDS), fc.integer({ min: 0, max: 40 }))
  .chain(([usual, rare, every]) =>
    fc
      .array(fc.tuple(usual, rare), { minLength: 30, maxLength: 30 })
      .map((pairs) => pairs.map(([one, other], i) => (every > 0 && i % every === 0 ? other : one))),
  );

const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`;

function rowsOf(columns: string[][]): string[] {
  return columns[0]!.map((_, row) => `${columns.map((each) => quoted(each[row] ?? "")).join(",")}\n`);
}

it("merges the parts of a table to what one pass says, wherever it is cut", () => {
  const cuts = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 5 });
  fc.assert(
    fc.property(fc.tuple(column, column, column), cuts, (columns, places) => {
      const rows = rowsOf(columns);
      const onePass = new TableSummary();
      onePass.push(`${NAMES.join(",")}\n${rows.join("")}`);

      const whole = new TableSummary(NAMES);
      const ends = [...places.toSorted((a, b) => a - b), rows.length];
      for (const [i, end] of ends.entries()) {
        const part = new TableSummary(NAMES);
        part.push(rows.slice(ends[i - 1] ?? 0, end).join(""));
        whole.merge(tableStateSchema.parse(JSON.parse(JSON.stringify(part.endPart()))));
      }
      expect(whole.isSure).toBe(true);
      expect(whole.end()).toEqual(onePass.end());
    }),
    { numRuns: 500 },
  );
});
