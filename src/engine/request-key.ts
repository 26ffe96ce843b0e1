/** Names that callers give their requests, so that repeating one makes nothing twice. */

import { ProblemError, problem } from "../core/problems.ts";
import { readRemembered, type Remembered } from "../results/insert-tasks.ts";

/** The caller's name for a request, so that repeating it makes nothing twice. */
export interface RequestKey {
  tenant: string;
  key: string;
  /** Of the request's path and body. */
  fingerprint: string;
}

/**
 * What the first request with this key has made, parsed; null where there was none, or no key. Asked before a request
 * is refused: what is too late, too much or unknown by now may have been accepted when the key was new.
 */
export async function findMade<T>(env: Env, request: RequestKey | null, now: number): Promise<T | null> {
  if (request === null) return null;
  const remembered = await readRemembered(env.DB, request.tenant, request.key, now);
  return remembered && madeBefore<T>(request, remembered);
}

/** The same, where it was read already. Throws a 422 problem where its body was another. */
export function madeBefore<T>(request: RequestKey, remembered: Remembered): T {
  if (remembered.fingerprint === request.fingerprint) return JSON.parse(remembered.made) as T;
  const detail = "This key was used with another body in the last 24 hours. Use a new key for a new request.";
  throw new ProblemError(problem("idempotency-key-reused", detail));
}
