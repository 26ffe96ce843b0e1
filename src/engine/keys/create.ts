/** Makes API keys. */

import type { Audit } from "../../results/audit.ts";
import { insertKey, type StoredKey } from "../../results/keys.ts";
import { newId } from "../ids.ts";
import { demandRoomFor } from "../quota.ts";
import { hashOf, newKeyText, prefixOf } from "./text.ts";

/** What is decided about a key before it is made. */
export type NewKey = Pick<StoredKey, "tenant" | "name" | "scopes" | "rateLimited" | "expiresAt">;

/**
 * The key that makes another one. The new key ends with its maker and shares its limit on requests. `expiresAt` is in ms since
 * the epoch; `rateOf` is the key whose limit on requests the maker shares.
 */
export interface KeyMaker {
  keyId: string;
  expiresAt: number | null;
  rateOf: string | null;
}

/**
 * Makes a key and returns it with its text, which is stored nowhere. It expires no later than its maker, and has a limit on
 * requests where its maker has one. Null where its maker has ended meanwhile. `now` is ms since the epoch.
 */
export async function createKey(
  env: Env,
  wanted: NewKey,
  maker: KeyMaker,
  now: number,
  audit: Audit | null = null,
): Promise<{ stored: StoredKey; text: string } | null> {
  await demandRoomFor(env, "keys", wanted.tenant, now);
  const text = newKeyText();
  const stored: StoredKey = {
    ...wanted,
    id: newId("key"),
    prefix: prefixOf(text),
    rateLimited: wanted.rateLimited || maker.rateOf !== null,
    rateOf: maker.rateOf,
    expiresAt: earlier(wanted.expiresAt, maker.expiresAt),
    createdBy: maker.keyId,
    createdAt: now,
    revokedAt: null,
  };
  return (await insertKey(env.DB, stored, await hashOf(text), audit && { ...audit, target: stored.id }))
    ? { stored, text }
    : null;
}

function earlier(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.min(one, other);
}
