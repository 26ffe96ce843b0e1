/** Makes API keys. */

import { insertKey, type StoredKey } from "../results/keys.ts";
import { newId } from "./ids.ts";
import { hashOf, newKeyText, prefixOf } from "./key-text.ts";

/** What is decided about a key before it is made. */
export type NewKey = Pick<StoredKey, "tenant" | "name" | "scopes" | "rateLimited" | "expiresAt">;

/** Makes a key and answers it with its text, which is stored nowhere. `now` is ms since the epoch. */
export async function createKey(env: Env, wanted: NewKey, now: number): Promise<{ stored: StoredKey; text: string }> {
  const text = newKeyText();
  const stored: StoredKey = { ...wanted, id: newId("key"), prefix: prefixOf(text), createdAt: now, revokedAt: null };
  await insertKey(env.DB, stored, await hashOf(text));
  return { stored, text };
}
