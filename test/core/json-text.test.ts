import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lossesIn, outlineOf } from "../../src/core/json-text.ts";
import { pointerTo } from "../../src/core/path.ts";

/** Where something of a text would be lost. */
function lostIn(text: string): string[] {
  return lossesIn(text, outlineOf(text), JSON.parse(text)).map(({ path }) => pointerTo(path));
}

describe("a number", () => {
  it.each([
    "9007199254740993",
    "-9007199254740993",
    "12345678901234567890",
    "18446744073709551615",
    "9223372036854775807",
    "9007199254740993.0",
    "90071992547409930e-1",
    "123456789012345678901234567890",
    "1e400",
    "-1E+400",
    "9".repeat(400),
    "1e-400",
    "-1.5e-999",
  ])("%s would come back changed", (number) => {
    expect(lostIn(number)).toEqual([""]);
    expect(lostIn(`{ "a/b" : [ null, "1e400", ${number} ] , "c": 1 }`)).toEqual(["/a~1b/2"]);
  });

  it.each([
    "9007199254740991",
    "9007199254740992",
    "-9007199254740991",
    "0",
    "-0",
    "0e999999",
    "0.0",
    "1e5",
    "-0.00E-99",
    "12345.6789e22",
    "1.5e300",
    "100000000000000000000",
    "1e20",
    "0.1234567890123456789",
    "3.141592653589793238462643383279",
    "5e-324",
    "1152921504606847000",
  ])("%s is what it was, or a fraction", (number) => {
    expect(lostIn(`[${number}]`)).toEqual([]);
  });

  it("that JavaScript has written is what it was", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(lostIn(JSON.stringify([number]))).toEqual([]);
      }),
    );
  });

  it("that is an integer is what it was, or is found", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (number) => {
        const isSame =
          BigInt(JSON.stringify(Number(number)).replace(/^(-?)(\d)(?:\.(\d+))?e\+(\d+)$/, expand)) === number;
        expect(lostIn(String(number))).toEqual(isSame ? [] : [""]);
      }),
    );
  });
});

function expand(_: string, sign: string, whole: string, fraction = "", power: string): string {
  return sign + whole + fraction + "0".repeat(Number(power) - fraction.length);
}

describe("a name", () => {
  it.each([
    ['{"a":1,"a":2}', ["/a"]],
    ['{"a":1,"b":{"x":[{"c":1,"c":1}]},"\\u0061":2}', ["/b/x/0/c", "/a"]],
    ['{"__proto__":1}', ["/__proto__"]],
    ['[{"\\u005f_proto__":{}}]', ["/0/__proto__"]],
    ['{"a":{"a":{}},"b":"a:a","constructor":[],"":{"\\"":1}}', []],
  ])("in %s", (text, expected) => {
    expect(lostIn(text)).toEqual(expected);
  });
});

it("finds nothing in what JSON's writers write, and knows how deep it is", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value, null, 1);
      fc.pre(!text.includes("__proto__"));
      expect(lostIn(text)).toEqual([]);
      expect(outlineOf(text).open).toBe(0);
    }),
  );
});

it("reads texts that would make a careless reader slow in the time of others", () => {
  const texts = [
    `[1${"0".repeat(500_000)}1]`,
    `[${"1e5,".repeat(250_000)}1]`,
    `[${"12345678901234567890,".repeat(50_000)}1]`,
    `{${Array.from({ length: 90_000 }, () => '"a":1').join(",")}}`,
    `["${"\\\\".repeat(500_000)}"]`,
  ];
  const spent = (text: string) => {
    const startedAt = performance.now();
    lossesIn(text, outlineOf(text), JSON.parse(text));
    return performance.now() - startedAt;
  };
  const plain = Math.max(1, Math.min(...[1, 2, 3].map(() => spent(`["${"x".repeat(1_000_000)}"]`))));
  for (const text of texts) expect(Math.min(spent(text), spent(text))).toBeLessThan(300 * plain);
});
