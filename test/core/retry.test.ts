import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_ATTEMPTS, MAX_HORIZON_MS } from "../../src/core/bounds.ts";
import { DEFAULT_RETRY, retryDelay, retryPolicy, retrySchema, type RetryPolicy } from "../../src/core/retry.ts";

/** Any policy that a submission may ask for. */
const policies = fc
  .record(
    {
      backoff: fc.constantFrom("exponential" as const, "linear" as const, "fixed" as const),
      base: fc.nat({ max: MAX_HORIZON_MS }),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      cap: fc.nat({ max: MAX_HORIZON_MS }),
      jitter: fc.constantFrom("full" as const, "none" as const),
    },
    { requiredKeys: [] },
  )
  .map((options) => retryPolicy(retrySchema.parse(options)));

const failures = fc.integer({ min: 1, max: MAX_ATTEMPTS });

/** What `Math.random` may give: 0 included, 1 not. */
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const withoutJitter = (policy: RetryPolicy): RetryPolicy => ({ ...policy, jitter: "none" });

describe("the delay before another attempt", () => {
  it("is a whole number of milliseconds, never negative and never above the cap", () => {
    fc.assert(
      fc.property(policies, failures, randoms, (policy, n, random) => {
        const delay = retryDelay(policy, n, random);
        expect(Number.isSafeInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(policy.cap);
      }),
    );
  });

  it("never shrinks from failure to failure where nothing is random", () => {
    fc.assert(
      fc.property(policies.map(withoutJitter), failures, (policy, n) => {
        expect(retryDelay(policy, n + 1, 0)).toBeGreaterThanOrEqual(retryDelay(policy, n, 0));
      }),
    );
  });

  it("lies, with full jitter, between nothing and the delay without", () => {
    fc.assert(
      fc.property(policies, failures, randoms, (policy, n, random) => {
        const whole = retryDelay(withoutJitter(policy), n, 0);
        const delay = retryDelay({ ...policy, jitter: "full" }, n, random);
        expect(Math.abs(delay - whole * random)).toBeLessThanOrEqual(1);
        expect(delay).toBeLessThanOrEqual(whole);
      }),
    );
  });

  it.each([
    ["exponential", [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]],
    ["linear", [1_000, 2_000, 3_000, 4_000, 5_000, 6_000]],
    ["fixed", [1_000, 1_000, 1_000, 1_000, 1_000, 1_000]],
  ] as const)("grows as %s says, up to the cap", (backoff, delays) => {
    const policy = retryPolicy({ backoff, base: "1s", factor: 2, cap: "10s", jitter: "none" });
    expect(delays.map((_, i) => retryDelay(policy, i + 1, 0.5))).toEqual(delays);
  });
});

describe("a retry policy", () => {
  it("takes what it leaves out from the task's own, and that from the default", () => {
    const own = retryPolicy({ base: "5s", jitter: "none" });
    expect(own).toEqual({ ...DEFAULT_RETRY, base: 5_000, jitter: "none" });
    expect(retryPolicy({ backoff: "fixed" }, own)).toEqual({ ...own, backoff: "fixed" });
    expect(retryPolicy(undefined)).toEqual(DEFAULT_RETRY);
  });

  it.each([{ factor: 0.5 }, { factor: 101 }, { base: -1 }, { cap: "soon" }, { jitter: "half" }, { tries: 3 }])(
    "is refused on the wire as %j",
    (options) => {
      expect(retrySchema.safeParse(options).success).toBe(false);
    },
  );
});
