/** What was measured, as aligned text. */
import { percentile, type Run } from "./closed-loop.ts";

/** A line of the table; a cell that has no meaning in it is left out. */
export type Line = { what: string; n: number; perSecond?: number; p50?: number; p95?: number; p99?: number };

const HEAD = ["", "n", "tasks/s", "p50 ms", "p95 ms", "p99 ms"];

/** A run of single calls. */
export function lineOf(what: string, { ms, perSecond }: Run): Line {
  return { what, n: ms.length, perSecond, ...percentiles(ms) };
}

export function percentiles(ascending: number[]) {
  return { p50: percentile(ascending, 50), p95: percentile(ascending, 95), p99: percentile(ascending, 99) };
}

export function tableOf(lines: Line[]): string {
  const whole = (value?: number) => (value === undefined ? "" : Math.round(value).toLocaleString("en"));
  const tenth = (value?: number) => (value === undefined ? "" : value.toFixed(1));
  return align([
    HEAD,
    ...lines.map(({ what, n, perSecond, p50, p95, p99 }) => [
      what,
      whole(n),
      whole(perSecond),
      tenth(p50),
      tenth(p95),
      tenth(p99),
    ]),
  ]);
}

/** Words to the left, numbers to the right. */
export function align(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}
