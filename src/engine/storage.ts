/**
 * Keeps room in the database. Before it is full nothing new is let in, while what was accepted goes on and the purge
 * makes room; the rest is for results.
 */

import { persistOr503, RefusalError } from "../results/d1.ts";
import { measure, sizeSeen } from "../results/size.ts";

/** D1's hard limit on the paid plan (https://developers.cloudflare.com/d1/platform/limits/). */
const D1_MAX_BYTES = 10_000_000_000;

/** From this part of the maximum on nothing new is accepted, until the database is below that one. */
const REFUSED_FROM = 0.9;
const ACCEPTED_BELOW = 0.88;

/** From here on accepted work begets none either: ticks of schedules and children wait, and signals are refused. */
const HELD_FROM = 0.97;

/** How often an isolate that refuses asks how large the database is, if no other answer tells. */
const MEASURED_FOR_MS = 5_000;

let isRefusing = false;
let measuredAt = 0;

/** How large the database is and may be, as far as this isolate knows. */
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

/** Whether even accepted work must wait with what it would store. */
export function isStorageHeld(env: Env): boolean {
  const { sizeBytes, maxBytes } = storageOf(env);
  return sizeBytes !== null && sizeBytes >= HELD_FROM * maxBytes;
}
