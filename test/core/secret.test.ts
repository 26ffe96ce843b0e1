/** Fields that a definition calls secret: what is taken out of a value, and put back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MASK, putBack, scrubFaults, Scrubber, secretsOf, takeOut } from "../../src/core/secret.ts";

const paths = (...pointers: string[]) => secretsOf("t", pointers)?.input ?? [];

describe("the fields of a value that are secret", () => {
  it.each([
    [
      ["/headers/authorization"],
      { headers: { Authorization: "x", accept: "y" } },
      { headers: { Authorization: MASK, accept: "y" } },
    ],
    [["/items/*/pin"], { items: [{ pin: 1 }, { pin: 2, n: 3 }] }, { items: [{ pin: MASK }, { pin: MASK, n: 3 }] }],
    [["/items/1"], { items: ["a", "b"] }, { items: ["a", MASK] }],
    [["/a~1b/~0c"], { "a/b": { "~c": true } }, { "a/b": { "~c": MASK } }],
    [[""], { all: 1 }, MASK],
    [["/gone/deeper", "/nil"], { nil: null, here: 1 }, { nil: null, here: 1 }],
    [["/a", "/a/b"], { a: { b: 1 } }, { a: MASK }],
  ])("%j of %j", (pointers, value, masked) => {
    expect(takeOut(value, paths(...pointers)).value).toEqual(masked);
  });

  it("come back as they were, whatever they are called", () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.array(fc.constantFrom("", "/*", "/*/*", "/0", "/a/*"), { minLength: 1 }),
        (text, pointers) => {
          const whole: unknown = JSON.parse(text);
          const { value, taken } = takeOut(JSON.parse(text), paths(...pointers));
          const stored = JSON.stringify(value);
          expect(JSON.stringify(putBack(JSON.parse(stored), taken))).toBe(JSON.stringify(whole));
        },
      ),
    );
    const { value, taken } = takeOut(JSON.parse('{"__proto__":{"pin":1}}'), paths("/__proto__/pin"));
    expect(JSON.stringify(putBack(value, taken))).toBe('{"__proto__":{"pin":1}}');
  });

  it("leave what a flow will pass where it is, and hide all beside it", () => {
    const from = { $from: "login", path: "/token" };
    const input = { headers: { authorization: from, cookie: { a: "b" } } };
    const masked = takeOut(input, paths("/headers"), true);
    expect(masked.value).toEqual({ headers: { authorization: from, cookie: MASK } });
    // Outside of a flow it is a value like any other.
    expect(takeOut(input, paths("/headers/authorization")).value).toMatchObject({ headers: { authorization: MASK } });
  });

  it("are named by pointers, or the definition is refused", () => {
    expect(secretsOf("t", [])).toBeNull();
    expect(secretsOf("t")).toBeNull();
    expect(secretsOf("t", { output: ["/Token"] })).toEqual({ input: [], output: [["token"]] });
    for (const wrong of ["authorization", "/a~2", "#/a"]) expect(() => secretsOf("t", [wrong])).toThrow(RangeError);
  });
});

describe("what is told of a task", () => {
  it("mentions none of its secrets", () => {
    const { taken } = takeOut({ key: { a: "s3cret-s3cret", n: 98_765 }, pin: "12" }, paths("/key", "/pin"));
    const scrubber = new Scrubber(taken);
    const told = { message: "refused s3cret-s3cret (12)", data: { "98765": ["s3cret-s3cret", 98_765, 1, null] } };
    expect(scrubber.value(told)).toEqual({ message: `refused ${MASK} (12)`, data: { [MASK]: [MASK, MASK, 1, null] } });
    const faults = [{ pointer: "/input/key/a", detail: "unexpected s3cret-s3cret" }];
    expect(scrubFaults(faults, { key: { a: "s3cret-s3cret" } }, paths("/key"))).toEqual([
      { pointer: "/input/key/a", detail: `unexpected ${MASK}` },
    ]);
  });
});
