/**
 * Finds where a file may be cut. A line break ends a row only outside of quotes, and whether a byte is inside
 * of quotes depends on all quotes before it. So each part counts its quotes, and finds the beginning of its
 * first row for both cases; the counts of the parts before it then tell which case holds.
 */

import { z } from "zod";

const QUOTE = 0x22;
const LF = 0x0a;

/** The scan of a part of a file. Offsets are bytes from the part's beginning; null: no row begins in it. */
export const scanSchema = z.object({
  quotes: z.int(),
  /** The first row that begins in it, if it begins outside of quotes, and if inside. */
  rowIfOutside: z.int().nullable(),
  rowIfInside: z.int().nullable(),
});

export type Scan = z.output<typeof scanSchema>;

/** Takes a part's bytes piece by piece. */
export class QuoteScan {
  #quotes = 0;
  #at = 0;
  #ifOutside: number | null = null;
  #ifInside: number | null = null;

  push(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === QUOTE) this.#quotes++;
      else if (byte === LF) {
        if (this.#quotes % 2 === 0) this.#ifOutside ??= this.#at + i + 1;
        else this.#ifInside ??= this.#at + i + 1;
      }
    }
    this.#at += bytes.length;
  }

  end(): Scan {
    return { quotes: this.#quotes, rowIfOutside: this.#ifOutside, rowIfInside: this.#ifInside };
  }
}

/** The cuts of a file, each the beginning of a row, from the scans of its parts and where those began. The first part begins at 0. */
export function cutsOf(scans: Scan[], begins: number[]): number[] {
  const cuts = [0];
  let quotes = 0;
  for (const [i, scan] of scans.entries()) {
    const row = quotes % 2 === 0 ? scan.rowIfOutside : scan.rowIfInside;
    if (i > 0 && row !== null) cuts.push((begins[i] ?? 0) + row);
    quotes += scan.quotes;
  }
  return cuts;
}
