/**
 * How long an attempt is held without a heartbeat: short while it is young, so that a crash costs little time, and longer
 * later, so that a long attempt writes few rows. A renewal writes two: the row, and the entry of its timer in the index.
 */

import { LEASE_MS } from "./bounds.ts";

/** An attempt older than this counts as long. */
const YOUNG_MS = 60_000;

/** Lease of an older attempt: the clock looks twice at a lease that ran out, so a crash is rescued within 60 s. */
const LONG_LEASE_MS = 57_000;

/** A lease is renewed this much before it runs out; `long` is for leases longer than {@link LEASE_MS}. */
const MARGIN_MS = { short: 1_500, long: 3_000 } as const;

/** The lease of an attempt of this age (ms), in ms. `ownMs`: what its definition asks for while it is young. */
export function leaseAt(ageMs: number, ownMs: number | null): number {
  const young = ownMs ?? LEASE_MS;
  return ageMs < YOUNG_MS ? young : Math.max(young, LONG_LEASE_MS);
}

/** How long after it was granted a lease of this length (ms) is renewed, in ms. */
export function renewAfter(leaseMs: number): number {
  return leaseMs - Math.min(leaseMs > LEASE_MS ? MARGIN_MS.long : MARGIN_MS.short, leaseMs / 3);
}

/** The pause between two checks whether an attempt of this age (ms) must stop, in ms: it notices a cancel within 2 s, later 5 s. */
export function pollAfter(ageMs: number): number {
  return ageMs < YOUNG_MS ? 1_500 : 4_500;
}
