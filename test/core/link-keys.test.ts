/** Which key signs links, and for how long what the others have signed holds. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holding, KEYS_KNOWN_MS, MAX_LINK_KEYS, rotated, signerAt, type LinkKey } from "../../src/core/link-keys.ts";

const first = (now: number): LinkKey[] => [{ id: "k0", secret: "s0", from: now, until: null }];

const freshKey = (n: number) => ({ id: `k${n}`, secret: `s${n}` });

const ids = (keys: LinkKey[]) => keys.map((key) => key.id);

describe("a rotation", () => {
  it("lets the old key sign until every isolate knows the new one, and its links hold for the overlap", () => {
    const keys = rotated(first(0), freshKey(1), 60_000, 1_000)!;
    const from = keys[1]!.from;
    expect(from - 1_000).toBeGreaterThan(KEYS_KNOWN_MS);
    expect(signerAt(keys, from - 1)?.id).toBe("k0");
    expect(signerAt(keys, from)?.id).toBe("k1");
    expect(ids(holding(keys, from + 59_999))).toEqual(["k0", "k1"]);
    expect(ids(holding(keys, from + 60_000))).toEqual(["k1"]);
  });

  it("without an overlap leaves nothing of what was there", () => {
    const keys = rotated(rotated(first(0), freshKey(1), 60_000, 1_000)!, freshKey(2), 0, 2_000)!;
    expect(ids(keys)).toEqual(["k2"]);
    expect(signerAt(keys, 2_000)?.id).toBe("k2");
  });

  it("lengthens no key's time", () => {
    const keys = rotated(rotated(first(0), freshKey(1), 1_000, 0)!, freshKey(2), 1_000_000, 10)!;
    expect(keys[0]!.until).toBe(rotated(first(0), freshKey(1), 1_000, 0)![0]!.until);
  });

  it("keeps a bounded number of keys", () => {
    let keys: LinkKey[] | null = first(0);
    for (let n = 1; n < MAX_LINK_KEYS; n++) keys = rotated(keys!, freshKey(n), 86_400_000, n);
    expect(keys).toHaveLength(MAX_LINK_KEYS);
    expect(rotated(keys!, freshKey(99), 86_400_000, 100)).toBeNull();
    expect(rotated(keys!, freshKey(99), 0, 100)).toHaveLength(1);
  });

  it("makes no link that an isolate refuses, however old within its time what that knows is", () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 300_000 }),
      overlap: fc.integer({ min: 1, max: 600_000 }),
    });
    const check = fc.property(
      fc.array(step, { maxLength: 8 }),
      fc.integer({ min: 0, max: 300_000 }),
      fc.integer({ min: 0, max: KEYS_KNOWN_MS }),
      fc.integer({ min: 0, max: KEYS_KNOWN_MS }),
      (steps, rest, signerAge, verifierAge) => {
        let now = 0;
        const versions = [{ at: 0, keys: first(0) }];
        for (const [i, { wait, overlap }] of steps.entries()) {
          now += wait;
          versions.push({ at: now, keys: rotated(versions.at(-1)!.keys, freshKey(i + 1), overlap, now)! });
        }
        now += rest;
        const knownAt = (at: number) => versions.findLast((version) => version.at <= Math.max(0, at))!.keys;
        const signer = signerAt(knownAt(now - signerAge), now)!;
        expect(ids(holding(knownAt(now - verifierAge), now))).toContain(signer.id);
      },
    );
    fc.assert(check, { numRuns: 2_000 });
  });
});
