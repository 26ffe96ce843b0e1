/**
 * CSV text to rows by RFC 4180: commas, quoted fields with doubled quotes and line breaks inside. The
 * text may come in pieces of any size; only the current row is held in memory. A line that is entirely
 * empty is no row (an empty field of a one-column file is written `""`).
 */

import { brokenCsv } from "./csv-error.ts";

/** A longer field is nearly always a quote that was opened by mistake, and would fill the memory. */
const MAX_FIELD = 1_048_576;

/** Each column costs the memory of a summary. */
const MAX_COLUMNS = 1_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const LF = 0x0a;
const CR = 0x0d;

/** The reader's place in a field. `closing`: after a quote that ends the field, unless another follows. */
type Place = "start" | "plain" | "quoted" | "closing";

/** Push text in, get rows out; broken text is a `NonRetryableError` with its line. */
export class CsvReader {
  readonly #onRow: (fields: string[], line: number) => void;
  #place: Place = "start";
  #fields: string[] = [];
  /** The beginning of the current field, where the end of a piece or a doubled quote has split it. */
  #field = "";
  #line = 1;
  #rowLine = 1;
  #quoteLine = 1;
  /** The last character was a CR, so an LF that follows belongs to the same line break. */
  #afterCr = false;

  /** `line` is where the row begins; it may end further down. */
  constructor(onRow: (fields: string[], line: number) => void) {
    this.#onRow = onRow;
  }

  /** The line on which the next character stands. */
  get line(): number {
    return this.#line;
  }

  push(text: string): void {
    let at = 0;
    while (at < text.length) {
      switch (this.#place) {
        case "start":
          at = this.#begin(text, at);
          break;
        case "plain":
          at = this.#readPlain(text, at);
          break;
        case "quoted":
          at = this.#readQuoted(text, at);
          break;
        case "closing":
          at = this.#close(text, at);
          break;
      }
    }
    if (this.#field.length > MAX_FIELD) {
      const line = this.#place === "quoted" ? this.#quoteLine : this.#line;
      throw brokenCsv(line, `a field of more than ${MAX_FIELD} characters begins here; is its quote ever closed?`);
    }
  }

  /** The text is over: the last row needs no line break. */
  end(): void {
    if (this.#place === "quoted") throw brokenCsv(this.#quoteLine, "the quote that opens here is never closed");
    if (this.#fields.length > 0 || this.#place !== "start") this.#endRow();
  }

  #begin(text: string, at: number): number {
    if (text.charCodeAt(at) !== QUOTE) {
      this.#place = "plain";
      return at;
    }
    this.#afterCr = false;
    this.#quoteLine = this.#line;
    this.#place = "quoted";
    return at + 1;
  }

  #readPlain(text: string, from: number): number {
    let at = from;
    let code = 0;
    for (; at < text.length; at++) {
      code = text.charCodeAt(at);
      if (code === COMMA || code === LF || code === CR || code === QUOTE) break;
    }
    if (at > from) {
      this.#field += text.slice(from, at);
      this.#afterCr = false;
    }
    if (at === text.length) return at;
    if (code === QUOTE) throw brokenCsv(this.#line, "a quote inside a field that does not begin with one");
    this.#separate(code);
    return at + 1;
  }

  #readQuoted(text: string, from: number): number {
    let at = from;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code === CR || (code === LF && !this.#afterCr)) this.#line++;
      this.#afterCr = code === CR;
    }
    this.#field += text.slice(from, at);
    if (at === text.length) return at;
    this.#afterCr = false;
    this.#place = "closing";
    return at + 1;
  }

  #close(text: string, at: number): number {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      this.#field += '"';
      this.#place = "quoted";
    } else if (code === COMMA || code === LF || code === CR) {
      this.#separate(code);
    } else {
      throw brokenCsv(this.#line, "text after a closing quote");
    }
    return at + 1;
  }

  #separate(code: number): void {
    if (code === COMMA) {
      this.#afterCr = false;
      this.#endField();
      if (this.#fields.length >= MAX_COLUMNS) throw brokenCsv(this.#rowLine, `more than ${MAX_COLUMNS} fields`);
      return;
    }
    if (code === LF && this.#afterCr) {
      this.#afterCr = false;
      this.#place = "start";
      return;
    }
    this.#afterCr = code === CR;
    const isBlank = this.#fields.length === 0 && this.#field === "" && this.#place === "plain";
    if (isBlank) this.#place = "start";
    else this.#endRow();
    this.#line++;
    this.#rowLine = this.#line;
  }

  #endField(): void {
    this.#fields.push(this.#field);
    this.#field = "";
    this.#place = "start";
  }

  #endRow(): void {
    this.#endField();
    const fields = this.#fields;
    this.#fields = [];
    this.#onRow(fields, this.#rowLine);
  }
}
