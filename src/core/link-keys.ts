/** The keys that sign links: which one signs at a time, and how one takes the place of another. Times are ms since the epoch. */

export interface LinkKey {
  id: string;
  /** Base64url, 256 random bits; or what the configuration says. */
  secret: string;
  /** It signs from then on, until the next one does. */
  from: number;
  /** Links that it has signed are valid until then at most; null while it is the latest. */
  until: number | null;
}

/** An isolate asks for the keys at most once in this time. */
export const KEYS_KNOWN_MS = 60_000;

/** A new key signs nothing until every isolate knows it, so that no isolate refuses its links. */
const ANNOUNCED_MS = 2 * KEYS_KNOWN_MS;

/** Keys that are kept at once. */
export const MAX_LINK_KEYS = 16;

/** How long a replaced key still verifies links where a rotation gives no `overlap`: a year, the longest use of a callback address. */
export const DEFAULT_OVERLAP_MS = 366 * 86_400_000;

/** The key that signs at `now`; undefined where there is none. */
export function signerAt(keys: readonly LinkKey[], now: number): LinkKey | undefined {
  return holding(keys, now).findLast((key) => key.from <= now) ?? keys.at(-1);
}

/** The keys whose links are valid at `now`. */
export function holding(keys: readonly LinkKey[], now: number): LinkKey[] {
  return keys.filter((key) => key.until === null || key.until > now);
}

/**
 * The keys after `fresh` has taken over. Links that the others have signed stay valid for `overlapMs` more. An overlap of 0 is
 * for keys that have leaked: they end at once and the fresh one signs at once, so isolates that do not know it yet refuse its
 * links for up to {@link KEYS_KNOWN_MS}. Null where too many are kept.
 */
export function rotated(
  keys: readonly LinkKey[],
  fresh: Pick<LinkKey, "id" | "secret">,
  overlapMs: number,
  now: number,
): LinkKey[] | null {
  const from = overlapMs === 0 ? now : now + ANNOUNCED_MS;
  const end = overlapMs === 0 ? now : from + overlapMs;
  const kept = holding(keys, now)
    .map((key) => ({ ...key, until: Math.min(key.until ?? end, end) }))
    .filter((key) => key.until > now);
  return kept.length < MAX_LINK_KEYS ? [...kept, { ...fresh, from, until: null }] : null;
}
