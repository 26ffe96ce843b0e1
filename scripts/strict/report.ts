/** How close each kind of event came to each limit, as a table. */

import type { Report } from "./counts.ts";

/** Reads this often, because a signal to the whole process group ends the runtime before a last read. */
const READ_EVERY_MS = 2_000;

/** The counts of the platform at `url`, as of its last answer. */
export class LatestReport {
  readonly #url: string;
  #latest: Report | null = null;

  constructor(url: string) {
    this.#url = `${url}/__strict/report`;
    setInterval(() => void this.#read(), READ_EVERY_MS).unref();
  }

  async print(): Promise<void> {
    await this.#read();
    if (this.#latest !== null) process.stdout.write(formatReport(this.#latest));
  }

  async #read(): Promise<void> {
    try {
      const response = await fetch(this.#url, { signal: AbortSignal.timeout(1_000) });
      this.#latest = (await response.json()) as Report;
    } catch {
      // The platform has ended or is too busy: the last answer stays.
    }
  }
}

export function formatReport({ limits, kinds, databases }: Report): string {
  const heading = [
    "event",
    "count",
    "D1",
    "subrequests",
    "invocations",
    "connections",
    "handler s",
    "after s",
    "waited",
    "met",
  ];
  const bounds = ["limit", "", limits.statements, limits.subrequests, limits.invocations, limits.connections];
  const seconds = [`${limits.handlerMs / 1_000}`, `${limits.afterReturnMs / 1_000}`];
  const rows = Object.entries(kinds)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, { events, most, waited, met }]) => [
      kind,
      events,
      most.statements,
      most.subrequests,
      most.invocations,
      most.connections,
      (most.handlerMs / 1_000).toFixed(1),
      (most.afterReturnMs / 1_000).toFixed(1),
      waited,
      metOf(met),
    ]);
  const table = [heading, [...bounds, ...seconds, "", ""], ...rows].map((row) => row.map(String));
  const widths = heading.map((_title, i) => Math.max(...table.map((row) => row[i].length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => pad(cell, widths[i], i))
      .join("  ")
      .trimEnd(),
  );
  const stored = Object.entries(databases).map(
    ([name, { calls, statements, writes, mostQueued, refused, sizeBytes }]) =>
      `${name}: ${calls} calls, ${statements} statements, ${writes} writes, at most ${mostQueued} waiting, ${sizeBytes} bytes, refused ${metOf(refused)}`,
  );
  return `${[...lines, ...stored].join("\n")}\n`;
}

function metOf(counts: Record<string, number>): string {
  const met = Object.entries(counts).filter(([, count]) => count > 0);
  return met.map(([limit, count]) => `${limit} ${count}`).join(", ") || "none";
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 || column === 9 ? cell.padEnd(width) : cell.padStart(width);
}
