import { describe, expect, it } from "vitest";
import { retryAfterMs } from "../../../src/outbound/retry-after.ts";

const NOW = Date.parse("2026-11-21T10:00:00Z");

describe("Retry-After", () => {
  it.each<[string | null, number | null]>([
    ["1", 1_000],
    [" 120 ", 120_000],
    ["86400", 86_400_000],
    ["86401", 86_400_000],
    ["99999999999999999999", 86_400_000],
    ["Sat, 21 Nov 2026 10:00:30 GMT", 30_000],
    ["Saturday, 21-Nov-26 10:00:30 GMT", 30_000],
    ["Sat, 21 Nov 2036 10:00:00 GMT", 86_400_000],
    ["Sat, 21 Nov 2026 09:00:00 GMT", null],
    ["0", null],
    ["-1", null],
    ["1.5", null],
    ["soon", null],
    ["Someday, maybe", null],
    ["2026-11-21T11:00:00Z", null],
    ["", null],
    [null, null],
  ])("reads %j as %j ms", (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms);
  });
});
