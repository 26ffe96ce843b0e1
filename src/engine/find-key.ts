/** Finds the key that a request shows, and remembers it for a few seconds: so a revoked key works no longer than that. */

import { readKeyByHash, type StoredKey } from "../results/keys.ts";
import { hashOf, isKeyText } from "./key-text.ts";

/** How long another isolate may not know yet that a key was revoked. */
const REMEMBERED_MS = 5_000;

const MAX_REMEMBERED = 2_000;

interface Remembered {
  key: StoredKey | null;
  until: number;
}

/** By hash, in the order in which they were learned; unknown keys too, so that repeating one costs nothing. */
const remembered = new Map<string, Remembered>();

/** The key of this text if it is valid at `now` (ms since the epoch). */
export async function findKey(env: Env, text: string, now: number): Promise<StoredKey | null> {
  if (!isKeyText(text)) return null;
  const key = await recall(env, await hashOf(text), now);
  if (key === null || key.revokedAt !== null) return null;
  return key.expiresAt === null || key.expiresAt > now ? key : null;
}

/** Makes the next request with this key look it up anew. */
export function forgetKey(hash: string): void {
  remembered.delete(hash);
}

async function recall(env: Env, hash: string, now: number): Promise<StoredKey | null> {
  const known = remembered.get(hash);
  if (known && known.until > now) return known.key;
  const key = await readKeyByHash(env.DB, hash);
  remembered.delete(hash);
  remembered.set(hash, { key, until: now + REMEMBERED_MS });
  if (remembered.size > MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
  return key;
}
