/** CSV text to its summary: the header names the columns, and every row must fit it. */

import { ColumnSummary, columnStateSchema, type columnSchema } from "./column-summary.ts";
import { brokenCsv } from "./csv-error.ts";
import { CsvReader } from "./csv-reader.ts";
import { MIN_SKETCH_BYTES } from "./distinct-counter.ts";
import { z } from "zod";

/** Different values that all columns together may count exactly; 16 bytes each, of an isolate's 128 MB. */
const EXACT_VALUES = 800_000;

/** Bytes of the sketches of all columns of a part together: in base64, with the rest, they must fit into a result. */
const SKETCH_BYTES = 640_000;

/** A wider table is not summarized in parts. */
export const MAX_COLUMNS_OF_PARTS = Math.floor(SKETCH_BYTES / MIN_SKETCH_BYTES);

/** The state of a part of a file. */
export const tableStateSchema = z.object({ rows: z.int(), columns: z.array(columnStateSchema) });

export type TableState = z.output<typeof tableStateSchema>;

/** Takes the text in pieces of any size; broken text is a `NonRetryableError` with its line. */
export class TableSummary {
  readonly #reader = new CsvReader((fields, line) => this.#take(fields, line));
  #columns: ColumnSummary[] = [];
  #rows = 0;

  /** `names`: those of the columns, where the text is a later part of a file and has no header of its own. */
  constructor(names: string[] | null = null) {
    if (names !== null) this.#columns = nameColumns(names, 1);
  }

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

  /** Ends a part and returns its state, to be merged with the other parts. */
  endPart(): TableState {
    this.#reader.end();
    const bytes = Math.floor(SKETCH_BYTES / this.#columns.length);
    return { rows: this.#rows, columns: this.#columns.map((column) => column.state(bytes)) };
  }

  /** Whether {@link end} is the same as for the whole file in one pass. */
  get isSure(): boolean {
    return this.#columns.every((column) => column.isSure);
  }

  /** Adds the state of another part of the same file. */
  merge(part: TableState): void {
    this.#rows += part.rows;
    for (const [i, column] of this.#columns.entries()) {
      const state = part.columns[i];
      if (state) column.merge(state);
    }
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
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) throw brokenCsv(line, `two columns are named ${JSON.stringify(twice)}`);
  const exact = Math.min(100_000, Math.max(1_000, Math.floor(EXACT_VALUES / names.length)));
  return names.map((name) => new ColumnSummary(name, exact));
}

function count(fields: number): string {
  return fields === 1 ? "1 field" : `${fields} fields`;
}
