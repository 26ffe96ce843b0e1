/** Finds the key of a request, or the one that made a link, and remembers it for a few seconds: a revoked key works no longer than that. */

import { hasUncheckedKeys, readKey, readKeyByHash, type StoredKey } from "../../results/keys.ts";
import { formOf, hashOf } from "./text.ts";
import { Remembered } from "../remembered.ts";

/** How long another isolate may not know yet that a key was revoked. */
const REMEMBERED_MS = 5_000;

const MAX_REMEMBERED = 2_000;

const byHash = new Remembered<StoredKey>(REMEMBERED_MS, MAX_REMEMBERED);
const byId = new Remembered<StoredKey>(REMEMBERED_MS, MAX_REMEMBERED);

/** Hashes of keys that do not exist, remembered apart from the others, so that a flood of them displaces no key that exists. */
const unknown = new Remembered<true>(REMEMBERED_MS, MAX_REMEMBERED);

/** Whether there are keys without a checksum: where there are none, a text of that form is refused without a read. */
const unchecked = new Remembered<boolean>(REMEMBERED_MS, 1);

/** The key of this text if it is valid at `now` (ms since the epoch). Reads once at most, and nothing for a text that cannot be a key. */
export async function findKey(env: Env, text: string, now: number): Promise<StoredKey | null> {
  const form = formOf(text);
  if (form === "mistyped" || form === "foreign") return null;
  const hash = await hashOf(text);
  const known = byHash.get(hash, now);
  if (known) return ifValid(known, now);
  if (unknown.get(hash, now)) return null;
  if (form === "unchecked" && !(await areThereUnchecked(env, now))) return null;
  const found = await readKeyByHash(env.DB, hash);
  if (found === null) {
    unknown.set(hash, true, now);
    return null;
  }
  byHash.set(hash, found, now);
  byId.set(found.id, found, now);
  return ifValid(found, now);
}

/** The key of this id if it is valid at `now` (ms since the epoch). */
export async function findKeyById(env: Env, id: string, now: number): Promise<StoredKey | null> {
  const known = byId.get(id, now) ?? (await readKey(env.DB, null, id));
  if (known === null) return null;
  if (!byId.get(id, now)) byId.set(id, known, now);
  return ifValid(known, now);
}

/** Makes the next request with this key, or with a link that it made, read the key again. */
export function forgetKey({ id, hash }: { id: string; hash: string }): void {
  byHash.delete(hash);
  byId.delete(id);
}

function ifValid(key: StoredKey, now: number): StoredKey | null {
  if (key.revokedAt !== null) return null;
  return key.expiresAt === null || key.expiresAt > now ? key : null;
}

async function areThereUnchecked(env: Env, now: number): Promise<boolean> {
  const known = unchecked.get("", now);
  if (known !== undefined) return known;
  const found = await hasUncheckedKeys(env.DB);
  unchecked.set("", found, now);
  return found;
}
