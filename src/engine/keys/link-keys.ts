/**
 * The keys that sign links: those of `LINK_KEY`, of which the first signs; where that is not set, random keys that the clock's
 * object makes and stores, so that all isolates have the same ones and a restart keeps them.
 */

import { log } from "../../core/log.ts";
import { clockOf } from "../../broker/poke.ts";
import { DEFAULT_OVERLAP_MS, holding, KEYS_KNOWN_MS, signerAt, type LinkKey } from "../../core/link-keys.ts";
import { ProblemError, problem } from "../../core/problems.ts";
import { insertAudit, type Audit } from "../../results/audit.ts";
import { Remembered } from "../remembered.ts";

/** Shorter secrets can be guessed. */
export const MIN_SECRET_LENGTH = 32;

const remembered = new Remembered<LinkKey[]>(KEYS_KNOWN_MS, 1);

/** The key that signs at `now` (ms since the epoch). */
export async function signingKey(env: Env, now: number): Promise<LinkKey> {
  return signerAt(await linkKeys(env, now), now)!;
}

/** The key of this id, if its signatures are still valid at `now` (ms since the epoch). */
export async function verifyingKey(env: Env, id: unknown, now: number): Promise<LinkKey | undefined> {
  return holding(await linkKeys(env, now), now).find((key) => key.id === id);
}

/** All keys, the latest last; cached for a minute. Throws a 503 problem where they cannot be read. */
export async function linkKeys(env: Env, now: number): Promise<LinkKey[]> {
  const name = env.LINK_KEY ?? "";
  const known = remembered.get(name, now);
  if (known) return known;
  const keys = name === "" ? await ask(() => clockOf(env).linkKeys()) : await configured(name);
  remembered.set(name, keys, now);
  return keys;
}

/**
 * Makes a new key, which signs links from a few minutes on; links that the others signed stay valid for `overlapMs` more. With
 * an overlap of 0 the others end at once, and the new key signs at once. Throws a 409 problem where `LINK_KEY` sets the keys.
 */
export async function rotateLinkKey(
  env: Env,
  overlapMs: number | undefined,
  now: number,
  audit: Audit | null = null,
): Promise<LinkKey[]> {
  if (env.LINK_KEY) {
    const detail = "LINK_KEY sets the keys: add the new one there before the others, separated by a comma.";
    throw new ProblemError(problem("conflict", detail));
  }
  const keys = await ask(() => clockOf(env).rotateLinkKey(overlapMs ?? DEFAULT_OVERLAP_MS, audit));
  if (keys === null)
    throw new ProblemError(
      problem("conflict", "Too many keys are still valid: rotate with an overlap of 0, or wait until older ones end."),
    );
  remembered.set("", keys, now);
  // The clock has the entry too, and writes it where this cannot.
  if (audit !== null) await insertAudit(env.DB, audit).catch(() => undefined);
  return keys;
}

/** The keys of `LINK_KEY`. The one that signs is the last, as among the clock's keys. */
async function configured(text: string): Promise<LinkKey[]> {
  const secrets = text.split(",").map((each) => each.trim());
  if (secrets.some((secret) => secret.length < MIN_SECRET_LENGTH)) {
    const detail = `Each key of LINK_KEY must have ${MIN_SECRET_LENGTH} characters or more: \`openssl rand -base64 32\` makes one.`;
    throw new ProblemError(problem("misconfigured", detail));
  }
  return Promise.all(
    secrets.toReversed().map(async (secret) => ({ id: await idOf(secret), secret, from: 0, until: null })),
  );
}

async function idOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`lovage-link-key:${secret}`));
  return new Uint8Array(digest).slice(0, 6).toHex();
}

async function ask<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    log("link_keys_not_read", { error });
    throw new ProblemError(problem("unavailable", "The keys that sign links could not be read. Try again."), {
      "Retry-After": "2",
    });
  }
}
