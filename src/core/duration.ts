/** Durations as callers write them: integer milliseconds, or a number with one unit. */

import { z } from "zod";
import { MAX_HORIZON_MS } from "./bounds.ts";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const PATTERN = /^(\d{1,15})(ms|s|m|h|d)$/;

/** Integer milliseconds, or `"500ms"`, `"30s"`, `"5m"`, `"2h"`, `"7d"`. */
export type Duration = number | `${number}${keyof typeof UNIT_MS}`;

/** A duration in milliseconds, or null where the text is none. */
export function parseDuration(duration: number | string): number | null {
  if (typeof duration === "number") return Number.isSafeInteger(duration) && duration >= 0 ? duration : null;
  const match = PATTERN.exec(duration);
  if (!match) return null;
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  return Number.isSafeInteger(ms) ? ms : null;
}

/** A duration in milliseconds; throws a `RangeError` that says what a duration looks like. */
export function durationMs(duration: number | string): number {
  const ms = parseDuration(duration);
  if (ms === null) {
    throw new RangeError(`not a duration: ${JSON.stringify(duration)} (write 500, "500ms", "30s", "5m", "2h" or "7d")`);
  }
  return ms;
}

/** A duration on the wire, between two bounds in milliseconds; parses to milliseconds. */
export function durationSchema(min = 0, max = MAX_HORIZON_MS) {
  const number = z.number().meta({ type: "integer", minimum: min, maximum: max });
  const text = z.string().meta({ pattern: PATTERN.source });
  return z
    .union([number, text])
    .transform((value, ctx) => {
      const ms = parseDuration(value);
      if (ms === null) {
        ctx.addIssue('not a duration: write integer milliseconds or "500ms", "30s", "5m", "2h", "7d"');
        return z.NEVER;
      }
      if (ms < min || ms > max) {
        ctx.addIssue(`must be between ${min} ms and ${max} ms`);
        return z.NEVER;
      }
      return ms;
    })
    .meta({
      description: "Integer milliseconds, or a number with one of the units ms, s, m, h and d",
      examples: ["30s"],
    });
}
