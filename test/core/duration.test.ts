import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { durationMs, durationSchema, parseDuration } from "../../src/core/duration.ts";

describe("a duration", () => {
  it.each([
    [0, 0],
    [1_500, 1_500],
    ["0s", 0],
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["7d", 604_800_000],
  ])("of %j is %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    "",
    "5",
    "s",
    "1.5s",
    "-1s",
    "+1s",
    "1 s",
    " 1s",
    "1s ",
    "1S",
    "1w",
    "1m30s",
    "1e3s",
    "٣s",
    -1,
    1.5,
    NaN,
    Infinity,
  ])("is not %j", (text) => {
    expect(parseDuration(text)).toBe(null);
    expect(() => durationMs(text)).toThrow(RangeError);
  });

  it("is exact or refused, however large", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 18n }),
        fc.constantFrom("ms" as const, "s" as const, "m" as const, "h" as const, "d" as const),
        (count, unit) => {
          const exact = count * { ms: 1n, s: 1_000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n }[unit];
          const isTooLarge = exact > BigInt(Number.MAX_SAFE_INTEGER) || count >= 10n ** 15n;
          expect(parseDuration(`${count}${unit}`)).toBe(isTooLarge ? null : Number(exact));
        },
      ),
    );
  });

  it("never throws for what is none, but says so", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double()), (value) => {
        const ms = parseDuration(value);
        expect(ms === null || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true);
      }),
    );
  });

  it("on the wire keeps within its bounds", () => {
    const schema = durationSchema(1_000, 60_000);
    expect(schema.parse("1m")).toBe(60_000);
    expect(schema.parse(1_000)).toBe(1_000);
    for (const bad of ["999ms", 60_001, "1h", "a while", null, {}]) expect(schema.safeParse(bad).success).toBe(false);
  });
});
