/** What is said of an input before its references are known, and what is not. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fillIn } from "../../src/core/flows/value.ts";
import { staticFaults } from "../../src/core/partial-input.ts";

const previous = { $from: "previous" };

const order = z.strictObject({
  x: z.number(),
  y: z.number().optional(),
  list: z.array(z.strictObject({ n: z.int().max(9) })).default([]),
  open: z.object({ a: z.string() }).nullable().optional(),
});

const pointersOf = (schema: z.ZodType, input: unknown) => staticFaults(schema, input, []).map(({ pointer }) => pointer);

describe("a part that is known", () => {
  it.each<[string, unknown, string[]]>([
    ["of the wrong type", { x: previous, y: "s" }, ["/y"]],
    ["that is missing", { y: previous }, ["/x"]],
    ["that is unknown", { x: previous, z: 1 }, ["/z"]],
    [
      "deep inside",
      { x: 1, list: [{ n: previous }, { n: 10 }, { m: previous }] },
      ["/list/1/n", "/list/2/n", "/list/2/m"],
    ],
    ["that is a list for an object", { x: 1, open: [previous] }, ["/open"]],
    ["that is an object for a list", { x: 1, list: { a: previous } }, ["/list"]],
    ["that fits", { x: previous, y: 2, list: [previous, { n: 1 }], open: { a: "s", b: previous } }, []],
    ["of nothing", previous, []],
  ])("%s", (_, input, expected) => expect(pointersOf(order, input)).toEqual(expected));
});

describe("what the unknown may decide", () => {
  it.each<[string, z.ZodType, unknown]>([
    [
      "a union",
      z.union([z.strictObject({ a: z.string(), b: z.number() }), z.strictObject({ a: z.number(), b: z.string() })]),
      { a: previous, b: true },
    ],
    ["a refinement of the whole", z.object({ a: z.any(), b: z.number() }).refine(() => false), { a: previous, b: 1 }],
    ["a preprocessing", z.preprocess(() => ({ b: 1 }), z.object({ b: z.number() })), { a: previous, b: "s" }],
    [
      "a transform's own schema",
      z
        .object({ a: z.any() })
        .transform(() => "s")
        .pipe(z.string().min(2)),
      { a: previous },
    ],
    ["a catch", z.object({ b: z.number(), a: z.any() }).catch({ b: 1, a: 1 }), { a: previous, b: "s" }],
    [
      "a member that may be left out",
      z.object({ a: z.any(), b: z.number().default(1), c: z.string().optional() }),
      { a: previous },
    ],
  ])("is left to it: %s", (_, schema, input) => expect(pointersOf(schema, input)).toEqual([]));
});

it("refuses nothing that some value would make fit", () => {
  const value = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.string(), fc.constant(previous), fc.constant(null));
  const input = fc.record(
    {
      x: value,
      y: value,
      list: fc.oneof(value, fc.array(fc.oneof(value, fc.record({ n: value })))),
      open: fc.oneof(value, fc.record({ a: value })),
    },
    { requiredKeys: ["x"] },
  );
  const passed = [1, "s", null, [], {}, { n: 1 }, { a: "s" }, [{ n: 1 }]];
  const tally = { refused: 0, fit: 0 };
  fc.assert(
    fc.property(input, (given) => {
      const fits = passed.some((previous) => order.safeParse(fillIn(given, { previous })).success);
      const refused = pointersOf(order, given).length > 0;
      if (refused) tally.refused++;
      if (fits) tally.fit++;
      return !(fits && refused);
    }),
    { numRuns: 3_000 },
  );
  expect(tally.refused).toBeGreaterThan(50);
  expect(tally.fit).toBeGreaterThan(50);
});
