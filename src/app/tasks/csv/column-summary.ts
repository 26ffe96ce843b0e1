/** What is known of one column after each value: its type, counts, extremes and mean, in bounded memory. */

import { z } from "zod";
import { DistinctCounter } from "./distinct-counter.ts";
import { isBoolean, isInteger, readDate, readNumber } from "./read-value.ts";

const COLUMN_TYPES = ["number", "integer", "boolean", "date", "string", "empty"] as const;

type ColumnType = (typeof COLUMN_TYPES)[number];

/** A column's summary on the wire. */
export const columnSchema = z.object({
  name: z.string(),
  type: z
    .enum(COLUMN_TYPES)
    .describe(
      "What all values are. Integers among numbers are numbers; any other mixture is a string, and so is what a double cannot hold: most integers beyond 2^53, 1e400.",
    ),
  count: z.int().describe("Values that are not empty"),
  nulls: z.int().describe("Empty fields"),
  distinct: z.int().describe("Different values; for many an estimate, with a standard error of 0.8 %"),
  min: z
    .union([z.number(), z.string()])
    .nullable()
    .describe("Numbers as numbers, dates as they stand in the file, strings by code unit and cut at 200; else null"),
  max: z.union([z.number(), z.string()]).nullable(),
  mean: z.number().nullable().describe("Of integers and numbers"),
});

/** Extremes of long texts are cut to this length, so that a thousand columns still fit into a result. */
const SHOWN_CHARACTERS = 200;

const extremesSchema = <V extends z.ZodType>(value: V) =>
  z.object({
    min: value.nullable(),
    max: value.nullable(),
    minText: z.string().nullable(),
    maxText: z.string().nullable(),
  });

/** The state of one column of a part of a file. */
export const columnStateSchema = z.object({
  name: z.string(),
  type: z.enum(COLUMN_TYPES),
  count: z.int(),
  nulls: z.int(),
  distinct: z.object({ exact: z.boolean(), data: z.string() }),
  numbers: z.object({
    min: z.number().nullable(),
    max: z.number().nullable(),
    count: z.int(),
    sum: z.number(),
    lost: z.number(),
  }),
  texts: extremesSchema(z.string()),
  dates: extremesSchema(z.number()),
});

export type ColumnState = z.output<typeof columnStateSchema>;

/** Takes a column's values one by one. */
export class ColumnSummary {
  readonly #name: string;
  readonly #distinct: DistinctCounter;
  #type: ColumnType = "empty";
  #count = 0;
  #nulls = 0;
  readonly #numbers = new NumberSummary();
  // A column of numbers may yet turn out to be text, so the extremes as text are always kept.
  readonly #texts = new Extremes<string>();
  readonly #dates = new Extremes<number>();

  /** Up to `exactDistinct` different values are counted exactly. */
  constructor(name: string, exactDistinct: number) {
    this.#name = name;
    this.#distinct = new DistinctCounter(exactDistinct);
  }

  add(value: string): void {
    if (value === "") {
      this.#nulls++;
      return;
    }
    this.#count++;
    this.#distinct.add(value);
    const shown = value.length > SHOWN_CHARACTERS ? value.slice(0, SHOWN_CHARACTERS) : value;
    this.#texts.add(shown, shown);
    if (this.#type !== "string") this.#type = commonType(this.#type, this.#read(value));
  }

  summary(): z.output<typeof columnSchema> {
    return {
      name: this.#name,
      type: this.#type,
      count: this.#count,
      nulls: this.#nulls,
      distinct: this.#distinct.count(),
      ...this.#extremes(),
      mean: this.#type === "integer" || this.#type === "number" ? this.#numbers.mean() : null,
    };
  }

  /** Whether {@link summary} is the same as if all values had been added here instead of merged from parts. */
  get isSure(): boolean {
    return this.#distinct.isSure;
  }

  /** The state, to be merged with that of another part of the same file. `bytes`: the limit for its distinct values. */
  state(bytes: number): ColumnState {
    return {
      name: this.#name,
      type: this.#type,
      count: this.#count,
      nulls: this.#nulls,
      distinct: this.#distinct.sketch(bytes),
      numbers: this.#numbers.state(),
      texts: this.#texts.state(),
      dates: this.#dates.state(),
    };
  }

  merge(state: ColumnState): void {
    this.#count += state.count;
    this.#nulls += state.nulls;
    this.#distinct.merge(state.distinct);
    this.#numbers.merge(state.numbers);
    this.#texts.merge(state.texts);
    this.#dates.merge(state.dates);
    if (state.type !== "empty") this.#type = commonType(this.#type, state.type);
  }

  #extremes(): { min: number | string | null; max: number | string | null } {
    switch (this.#type) {
      case "integer":
      case "number":
        return { min: this.#numbers.min, max: this.#numbers.max };
      case "date":
        return { min: this.#dates.minText, max: this.#dates.maxText };
      case "string":
        return { min: this.#texts.minText, max: this.#texts.maxText };
      case "boolean":
      case "empty":
        return { min: null, max: null };
    }
  }

  #read(value: string): ColumnType {
    const number = readNumber(value);
    if (!Number.isNaN(number)) {
      this.#numbers.add(number);
      return isInteger(value, number) ? "integer" : "number";
    }
    const instant = readDate(value);
    if (!Number.isNaN(instant)) {
      this.#dates.add(instant, value);
      return "date";
    }
    return isBoolean(value) ? "boolean" : "string";
  }
}

function commonType(column: ColumnType, value: ColumnType): ColumnType {
  if (column === "empty" || column === value) return value;
  const areNumbers = (column === "number" || column === "integer") && (value === "number" || value === "integer");
  return areNumbers ? "number" : "string";
}

/** The smallest and the largest value, each with its text; of equal ones the first. */
class Extremes<Value extends number | string> {
  #min: Value | null = null;
  #max: Value | null = null;
  minText: string | null = null;
  maxText: string | null = null;

  add(value: Value, text: string): void {
    if (this.#min === null || value < this.#min) {
      this.minText = detached(text);
      this.#min = (typeof value === "string" ? this.minText : value) as Value;
    }
    if (this.#max === null || value > this.#max) {
      this.maxText = detached(text);
      this.#max = (typeof value === "string" ? this.maxText : value) as Value;
    }
  }

  state(): { min: Value | null; max: Value | null; minText: string | null; maxText: string | null } {
    return { min: this.#min, max: this.#max, minText: this.minText, maxText: this.maxText };
  }

  merge({ min, max, minText, maxText }: ReturnType<Extremes<Value>["state"]>): void {
    if (min !== null && minText !== null) this.add(min, minText);
    if (max !== null && maxText !== null) this.add(max, maxText);
  }
}

/** Copies a text. A V8 slice refers to its parent string, so one kept field would keep the whole piece of the file in memory. */
function detached(text: string): string {
  return text.length < 13 ? text : (JSON.parse(JSON.stringify(text)) as string);
}

/** Extremes, and a sum that compensates its rounding errors (Neumaier), so that a million values do not drift. */
class NumberSummary {
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  #count = 0;
  #sum = 0;
  #lost = 0;

  add(value: number): void {
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    this.#count++;
    this.#carry(value);
  }

  #carry(value: number): void {
    const sum = this.#sum + value;
    this.#lost += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
  }

  state(): ColumnState["numbers"] {
    const none = this.#count === 0;
    return {
      min: none ? null : this.min,
      max: none ? null : this.max,
      count: this.#count,
      sum: this.#sum,
      lost: this.#lost,
    };
  }

  merge({ min, max, count, sum, lost }: ColumnState["numbers"]): void {
    if (min !== null) this.min = Math.min(this.min, min);
    if (max !== null) this.max = Math.max(this.max, max);
    this.#count += count;
    this.#carry(sum);
    this.#lost += lost;
  }

  /** Null where the sum left the range of a double. */
  mean(): number | null {
    const mean = (this.#sum + this.#lost) / this.#count;
    return Number.isFinite(mean) ? mean : null;
  }
}
