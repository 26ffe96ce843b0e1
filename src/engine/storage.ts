/**
 * Keeps room in the database. Near its limit the service refuses new work, while accepted tasks go on and the purge
 * makes room; what is left is for results.
 */

import { persistOr503, RefusalError } from "../results/d1.ts";
import { measure, sizeSeen } from "../results/size.ts";

/** D1's hard limit on the paid plan (https://developers.cloudflare.com/d1/platform/limits/). */
const D1_MAX_BYTES = 10_000_000_000;

/** The parts of the maximum from which new work is refused, and below which it is accepted again. */
const REFUSED_FROM = 0.9;
const ACCEPTED_BELOW = 0.88;

/** The part from which accepted work stores no more work either: ticks of schedules and children wait, and signals are refused. */
const HELD_FROM = 0.97;

/** How often an isolate that refuses work reads the size of the database, unless another answer of D1 tells it. */
const MEASURED_FOR_MS = 5_000;

let isRefusing = false;
let measuredAt = 0;

/** The size of the database and its maximum, as far as this isolate knows. */
export interface Storage {
  /** Null while no answer of D1 has told. */
  sizeBytes: number | null;
  maxBytes: number;
  /** Whether new work is accepted. */
  accepts: boolean;
}

export function storageOf(env: Env): Storage {
  const given = Number(env.D1_MAX_BYTES);
  const maxBytes = given > 0 ? given : D1_MAX_BYTES;
  const sizeBytes = sizeSeen()?.bytes ?? null;
  const part = (sizeBytes ?? 0) / maxBytes;
  isRefusing = part >= (isRefusing ? ACCEPTED_BELOW : REFUSED_FROM);
  return { sizeBytes, maxBytes, accepts: !isRefusing };
}

/** Throws a 503 `storage-full` where the database has no room for anything new. Costs no call to D1 while it has. */
export async function demandStorage(env: Env, now: number): Promise<void> {
  if (storageOf(env).accepts) return;
  const lookedAt = Math.max(measuredAt, sizeSeen()?.at ?? 0);
  if (now - lookedAt >= MEASURED_FOR_MS) {
    measuredAt = now;
    await persistOr503(() => measure(env.DB, now));
    if (storageOf(env).accepts) return;
  }
  throw new RefusalError("full");
}

/** Whether accepted work too must wait before it stores more. */
export function isStorageHeld(env: Env): boolean {
  const { sizeBytes, maxBytes } = storageOf(env);
  return sizeBytes !== null && sizeBytes >= HELD_FROM * maxBytes;
}
