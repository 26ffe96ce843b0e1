import fc from "fast-check";
import { expect, it } from "vitest";
import { CsvReader } from "../../../src/app/tasks/csv/csv-reader.ts";
import { cutsOf, QuoteScan } from "../../../src/app/tasks/csv/scan-quotes.ts";

const field = fc.string({ unit: fc.constantFrom("a", "b", ",", '"', "\n", "é"), maxLength: 6 });
const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 3 }), { minLength: 1, maxLength: 12 });

function written(table: string[][]): Uint8Array {
  const text = table.map((row) => row.map((value) => `"${value.replaceAll('"', '""')}"`).join(",")).join("\n");
  return new TextEncoder().encode(`${text}\n`);
}

function read(bytes: Uint8Array): string[][] {
  const found: string[][] = [];
  const reader = new CsvReader((fields) => found.push(fields));
  reader.push(new TextDecoder().decode(bytes));
  reader.end();
  return found;
}

it("cuts any file, wherever its parts begin, only between rows", () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 9 }), (table, parts) => {
      const file = written(table);
      const size = Math.ceil(file.length / parts);
      const begins = Array.from({ length: Math.ceil(file.length / size) }, (_, i) => i * size);
      const scans = begins.map((from) => {
        const scan = new QuoteScan();
        scan.push(file.subarray(from, from + size));
        return scan.end();
      });
      const cuts = cutsOf(scans, begins);
      const pieces = cuts.map((from, i) => file.subarray(from, cuts[i + 1] ?? file.length));
      expect(pieces.flatMap(read)).toEqual(table);
    }),
    { numRuns: 500 },
  );
});
