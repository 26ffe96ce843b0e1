/** The results of a run as rows, and the queries that the report makes on them. */
import { ratioOf, spreadOf, type Ratio, type Spread } from "./statistics.ts";

/** What one pass measured of one subject: numbers by the figure's name, such as `p50Ms`. */
export type Row = { subject: string; measure: string; pass: number; figures: { [figure: string]: number } };

/** A measure that failed, and why. */
export type Failure = { subject: string; measure: string; pass: number; reason: string };

/** The address of a figure: `lovage`, `submit-32`, `tasksPerS`. */
export type Place = { subject: string; measure: string; figure: string };

/** The figure by pass, for each pass that has it. */
export function byPass(rows: readonly Row[], { subject, measure, figure }: Place): Map<number, number> {
  const found = rows.filter((row) => row.subject === subject && row.measure === measure);
  return new Map(
    found.flatMap(({ pass, figures }): [number, number][] => {
      const value = figures[figure];
      return value === undefined || !Number.isFinite(value) ? [] : [[pass, value]];
    }),
  );
}

/** Null where no pass has it. */
export function spread(rows: readonly Row[], place: Place): Spread | null {
  const values = [...byPass(rows, place).values()];
  return values.length === 0 ? null : spreadOf(values);
}

/** Null where one of the two is missing. */
export function ratio(rows: readonly Row[], above: Place, below: Place): Ratio | null {
  return ratioOf(byPass(rows, above), byPass(rows, below));
}
