/** Names of limits: each has one id, and keys may hold any text. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { limitId, limitName, parseLimitId, storedKey, type LimitName } from "../../src/core/limit-name.ts";

const task = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
const tenant = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/);
const key = fc.string({ minLength: 1, unit: "binary" });

const name: fc.Arbitrary<LimitName> = fc.oneof(
  fc.record({ kind: fc.constant("concurrency" as const), task: fc.constant(null), tenant, key }),
  fc.record({
    kind: fc.constantFrom("concurrency" as const, "rate" as const),
    task,
    tenant: fc.option(tenant),
    key: fc.option(key),
  }),
);

it("are read from their ids, and from the keys that are stored, as they were", () => {
  fc.assert(
    fc.property(name, (each) => {
      const asked = each.task === null ? { ...each, tenant: undefined } : each;
      expect(parseLimitId(limitId(asked))).toEqual(asked);
      expect(limitName(each.kind, storedKey(each))).toEqual(each);
    }),
  );
});

it("of one tenant are stored under no other's, nor under a task's", () => {
  fc.assert(
    fc.property(key, key, (one, other) => {
      const stored = (own: string, owner: string) =>
        storedKey({ kind: "concurrency", task: null, tenant: owner, key: own });
      expect(stored(one, "a")).not.toBe(stored(other, "b"));
      expect(stored(one, "a").startsWith("task:")).toBe(false);
    }),
  );
});

it.each(["", "concurrency", "concurrency:", "concurrency::", "rate::x", "rate:", "lane:x", "rate:a b", " rate:a"])(
  "are not %j",
  (id) => {
    expect(parseLimitId(id)).toBeNull();
  },
);
