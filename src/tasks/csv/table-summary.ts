/** CSV text to its summary: the header names the columns, and every row must fit it. */

import { ColumnSummary, type columnSchema } from "./column-summary.ts";
import { brokenCsv } from "./csv-error.ts";
import { CsvReader } from "./csv-reader.ts";
import type { z } from "zod";

/** Different values that all columns together may count exactly; 16 bytes each, of an isolate's 128 MB. */
const EXACT_VALUES = 800_000;

/** Takes the text in pieces of any size; broken text is a `NonRetryableError` with its line. */
export class TableSummary {
  readonly #reader = new CsvReader((fields, line) => this.#take(fields, line));
  #columns: ColumnSummary[] = [];
  #rows = 0;

  /** The line that the text has reached. */
  get line(): number {
    return this.#reader.line;
  }

  push(text: string): void {
    this.#reader.push(text);
  }

  end(): { rows: number; columns: z.output<typeof columnSchema>[] } {
    this.#reader.end();
    if (this.#columns.length === 0) throw brokenCsv(1, "the file is empty; its first row must name the columns");
    return { rows: this.#rows, columns: this.#columns.map((column) => column.summary()) };
  }

  #take(fields: string[], line: number): void {
    if (this.#columns.length === 0) {
      this.#columns = nameColumns(fields, line);
      return;
    }
    if (fields.length !== this.#columns.length) {
      throw brokenCsv(line, `${count(fields.length)}, where the header has ${this.#columns.length}`);
    }
    this.#rows++;
    for (const [i, column] of this.#columns.entries()) column.add(fields[i] ?? "");
  }
}

function nameColumns(names: string[], line: number): ColumnSummary[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw brokenCsv(line, `two columns are named ${JSON.stringify(twice)}`);
  const exact = Math.min(100_000, Math.max(1_000, Math.floor(EXACT_VALUES / names.length)));
  return names.map((name) => new ColumnSummary(name, exact));
}

function count(fields: number): string {
  return fields === 1 ? "1 field" : `${fields} fields`;
}
