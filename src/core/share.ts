/** Submissions that share one task: debounce (the last input runs), throttle (the first runs), cache (its result serves all). */

import { durationMs, type Duration } from "./duration.ts";
import type { Per } from "./concurrency.ts";
import type { Between } from "./bounds.ts";

/** How a submission shares its task. Submissions with the same `key` share. Times are ms. */
export interface Share {
  kind: "debounce" | "throttle" | "cache";
  key: string;
  /** Debounce: the wait after the last submission; throttle: the window's length; cache: how long a result serves. */
  ms: number;
  /** Debounce: no start is later than this after the first submission. */
  maxMs?: number;
}

/** In a definition: equal inputs share one run while it is under way, and its result for `ttl` afterwards. */
export interface CacheOption {
  ttl: Duration;
}

/** In a definition: at most `limit` starts per `per`, exactly, over all isolates; more wait for their turn. */
export interface RateOption<Input> {
  limit: number;
  per: Duration;
  /** Starts that may come at once after a pause. Default 1. */
  burst?: number;
  /**
   * What becomes of a task that is over the limit when it would start. `wait` (the default): it starts when its turn
   * comes. `drop`: it ends `cancelled`, unless it has started before; later attempts always wait.
   */
  onLimit?: "wait" | "drop";
  /** Computes the key from the input and the tenant; each key has a rate of its own. */
  key?: (input: Input, tenant: string) => string;
  /**
   * Whether starts are counted for each tenant by itself or for all tenants together. Other limits call this `per`, which is a
   * time here. Default `tenant`.
   */
  scope?: Per;
}

/** A rate as a definition holds it. */
export interface RateLimit {
  limit: number;
  perMs: number;
  burst: number;
  drop: boolean;
  scope: Per;
  key?: (input: unknown, tenant: string) => string;
}

/** The option with its defaults. */
export function rateLimitOf<Input>(option: RateOption<Input>, between: Between): RateLimit {
  return {
    limit: between("rateLimit.limit", option.limit, 1, 1_000_000),
    perMs: between("rateLimit.per", durationMs(option.per), 1, 86_400_000),
    burst: between("rateLimit.burst", option.burst ?? 1, 1, 1_000_000),
    drop: option.onLimit === "drop",
    scope: option.scope ?? "tenant",
    ...(option.key ? { key: option.key as NonNullable<RateLimit["key"]> } : {}),
  };
}

/** A rate as the row holds it: generic cell rate algorithm (ITU-T I.371). Times are ms. */
export interface Rate {
  key: string;
  /** Between two starts. */
  interval: number;
  /** How early a start may come after a pause. */
  tolerance: number;
  /** A task over the rate ends instead of waiting. */
  drop?: true;
}

export function rateOf(key: string, limit: number, perMs: number, burst: number): Rate {
  const interval = perMs / limit;
  return { key, interval, tolerance: interval * (burst - 1) };
}

/** How many may start at `now` under a rate whose next token is due at `tat`, at most its burst. */
export function tokensAt(rate: Pick<Rate, "interval" | "tolerance">, tat: number, now: number): number {
  const spare = rate.tolerance - Math.max(0, tat - now);
  return spare < 0 ? 0 : Math.floor(spare / rate.interval + 1e-9) + 1;
}
