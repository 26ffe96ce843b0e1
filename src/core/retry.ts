/** When a failed attempt is followed by another. Pure: the randomness is an argument. */

import { z } from "zod";
import { durationMs, durationSchema, type Duration } from "./duration.ts";
import { MAX_HORIZON_MS } from "./bounds.ts";

/** How the delay grows from attempt to attempt. Delays are milliseconds. */
export interface RetryPolicy {
  backoff: "exponential" | "linear" | "fixed";
  /** Delay after the first failure. */
  base: number;
  /** What an exponential delay is multiplied by each time. */
  factor: number;
  /** No delay is longer. */
  cap: number;
  /** `full`: anywhere between 0 and the delay, so that tasks that failed together do not start again together. */
  jitter: "full" | "none";
}

/** A retry policy as a definition or a submission writes it; what is left out comes from {@link DEFAULT_RETRY}. */
export interface RetryOptions {
  backoff?: RetryPolicy["backoff"] | undefined;
  base?: Duration | undefined;
  factor?: number | undefined;
  cap?: Duration | undefined;
  jitter?: RetryPolicy["jitter"] | undefined;
}

/** A definition may compute the delay itself: milliseconds (or a duration) after the given failure, or null for no retry. */
export type RetryFunction = (failure: { failures: number; error: unknown }) => Duration | null;

/** Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
export const DEFAULT_RETRY: RetryPolicy = {
  backoff: "exponential",
  base: 1_000,
  factor: 2,
  cap: 3_600_000,
  jitter: "full",
};

/** A retry policy on the wire. */
export const retrySchema = z
  .strictObject({
    backoff: z.enum(["exponential", "linear", "fixed"]),
    base: durationSchema(0, MAX_HORIZON_MS),
    factor: z.number().min(1).max(100).optional(),
    cap: durationSchema(0, MAX_HORIZON_MS).optional(),
    jitter: z.enum(["full", "none"]),
  })
  .partial();

export function retryPolicy(options: RetryOptions | undefined, fallback: RetryPolicy = DEFAULT_RETRY): RetryPolicy {
  return {
    backoff: options?.backoff ?? fallback.backoff,
    base: options?.base === undefined ? fallback.base : durationMs(options.base),
    factor: options?.factor ?? fallback.factor,
    cap: options?.cap === undefined ? fallback.cap : durationMs(options.cap),
    jitter: options?.jitter ?? fallback.jitter,
  };
}

/**
 * Milliseconds from the `failures`-th failure (1 is the first) to the next attempt.
 * `random` is a number in [0, 1).
 */
export function retryDelay(policy: RetryPolicy, failures: number, random: number): number {
  const n = Math.max(1, failures);
  const grown =
    policy.backoff === "fixed"
      ? policy.base
      : policy.backoff === "linear"
        ? policy.base * n
        : policy.base * policy.factor ** (n - 1);
  const delay = Math.min(grown, policy.cap);
  return Math.round(policy.jitter === "full" ? delay * random : delay);
}
