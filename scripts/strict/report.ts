/** How close each kind of event came to each limit, as a table. */

import type { Report } from "./counts.ts";

/** Prints what the platform that listens at `url` has counted. */
export async function printReport(url: URL): Promise<void> {
  const response = await fetch(new URL("/__strict/report", url), { signal: AbortSignal.timeout(1_000) });
  process.stdout.write(formatReport((await response.json()) as Report));
}

export function formatReport({ limits, kinds, databases }: Report): string {
  const heading = ["event", "count", "D1", "subrequests", "invocations", "connections", "handler s", "after s", "met"];
  const bounds = ["limit", "", limits.statements, limits.subrequests, limits.invocations, limits.connections];
  const seconds = [`${limits.handlerMs / 1_000}`, `${limits.afterReturnMs / 1_000}`];
  const rows = Object.entries(kinds)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, { events, most, met }]) => [
      kind,
      events,
      most.statements,
      most.subrequests,
      most.invocations,
      most.connections,
      (most.handlerMs / 1_000).toFixed(1),
      (most.afterReturnMs / 1_000).toFixed(1),
      metOf(met),
    ]);
  const table = [heading, [...bounds, ...seconds, ""], ...rows].map((row) => row.map(String));
  const widths = heading.map((_title, i) => Math.max(...table.map((row) => row[i].length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => pad(cell, widths[i], i))
      .join("  ")
      .trimEnd(),
  );
  const stored = Object.entries(databases).map(
    ([name, { calls, statements, mostQueued, refused, sizeBytes }]) =>
      `${name}: ${calls} calls, ${statements} statements, at most ${mostQueued} waiting, ${sizeBytes} bytes, refused ${metOf(refused)}`,
  );
  return `${[...lines, ...stored].join("\n")}\n`;
}

function metOf(counts: Record<string, number>): string {
  const met = Object.entries(counts).filter(([, count]) => count > 0);
  return met.map(([limit, count]) => `${limit} ${count}`).join(", ") || "none";
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 || column === 8 ? cell.padEnd(width) : cell.padStart(width);
}
