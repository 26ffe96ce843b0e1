/** Names that callers give their requests, so that repeating one makes nothing twice. */

import { ProblemError, problem } from "../core/problems.ts";
import { readRemembered, type Remembered } from "../results/idempotency.ts";

/** The caller's name for a request, so that repeating it makes nothing twice. */
export interface RequestKey {
  tenant: string;
  key: string;
  /** Of the request's path and body. */
  fingerprint: string;
  /** Names the API key of the request. */
  madeBy?: string;
  /** The fingerprints that the same request has under older keys: it may have been stored with one of them. */
  olderFingerprints?: readonly string[];
}

/** What the first request with a key has made, and for which parts of it this request has the rights of the maker. */
export interface Made<T> {
  made: T;
  isOwn: (id: string) => boolean;
}

/**
 * What the first request with this key has made, parsed; null where there was none, or no key. Asked before a request
 * is refused: what would be refused now (over a quota, an unknown task) may have been accepted with the first request.
 */
export async function findMade<T>(env: Env, request: RequestKey | null, now: number): Promise<Made<T> | null> {
  if (request === null) return null;
  const remembered = await readRemembered(env.DB, request.tenant, request.key, now);
  return remembered && madeBefore<T>(request, remembered);
}

/** The same, from what was read already. Throws a 422 problem where the first request had another body. */
export function madeBefore<T>(request: RequestKey, remembered: Remembered): Made<T> {
  const { fingerprint, made, madeBy, others } = remembered;
  if ([request.fingerprint, ...(request.olderFingerprints ?? [])].includes(fingerprint)) {
    const isMaker = request.madeBy !== undefined && request.madeBy === madeBy;
    const not = new Set(JSON.parse(others ?? "[]") as string[]);
    return { made: JSON.parse(made) as T, isOwn: (id) => isMaker && !not.has(id) };
  }
  const detail = "This key was used with another body in the last 24 hours. Use a new key for a new request.";
  throw new ProblemError(problem("idempotency-key-reused", detail));
}
