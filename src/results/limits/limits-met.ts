/**
 * The limits that this isolate's claims have met lately. A claim checks those from the start, which saves it two round
 * trips to find out. Only a hint: whatever it says, no task is claimed against a limit that it has.
 */

import { LIMITS, type Limit } from "./claim-parts.ts";

const KEPT_MS = 10_000;

/** When each was met last, in ms since the epoch. */
const met = new Map<Limit, number>();

export function noteLimits(limits: readonly Limit[], now: number): void {
  for (const limit of limits) met.set(limit, now);
}

export function limitsMet(now: number): Limit[] {
  return LIMITS.filter((limit) => Math.abs(now - (met.get(limit) ?? -Infinity)) < KEPT_MS);
}
