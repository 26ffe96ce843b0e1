/**
 * How long an attempt is held without a heartbeat: short while it is young, so that a crash costs little time, and longer
 * later, so that a long attempt writes few rows. A renewal writes two: the row, and the entry of its timer in the index.
 */

import { LEASE_MS } from "./bounds.ts";

/** An attempt older than this has shown that it takes long. */
const YOUNG_MS = 60_000;

/** Lease of an older attempt: with the clock's second look, a crash is rescued within 60 s. */
const LONG_LEASE_MS = 57_000;

/** A lease is renewed this much before it runs out; the second value is for leases longer than the first one. */
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

/** Between two questions whether an attempt of this age (ms) is to stop, in ms: a cancel is heard within 2 s, and within 5 s by an older one. */
export function pollAfter(ageMs: number): number {
  return ageMs < YOUNG_MS ? 1_500 : 4_500;
}
