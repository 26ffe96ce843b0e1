/** How long the clock sends D1 nothing after ticks that failed. */

const FIRST_MS = 2_000;
const MAX_MS = 15_000;

/** The pause after this many failures in a row, in ms: from 2 s to 15 s. `random` is from 0 to 1. */
export function backoff(failures: number, random: number): number {
  return Math.round(Math.min(MAX_MS, FIRST_MS * 2 ** (failures - 1) * (1 + random / 2)));
}
