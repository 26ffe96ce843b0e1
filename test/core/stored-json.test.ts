/** Stored texts in larger ones: whatever they and the rest hold, the whole is read as if each had been read and written again. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { JsonText, writeWithTexts } from "../../src/core/stored-json.ts";

const MARK = "6f1c2a52-8d6e-4f0b-9a43-0d5d1c1b7a01";

it("says the same as if each text had been read first, and leaves each text as it stands", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.json(), fc.jsonValue()), { maxLength: 5 }), fc.jsonValue(), (items, rest) => {
      // Blanks are kept: nothing is read and written again on the way.
      const texts = items.map(([text]) => ` ${text}\n`);
      const value = { rest, items: items.map(([, beside], i) => ({ beside, input: new JsonText(texts[i]!) })) };
      const written = writeWithTexts(value, MARK);
      expect(written).toBe(
        `{"rest":${JSON.stringify(rest)},"items":[${items
          .map(([, beside], i) => `{"beside":${JSON.stringify(beside)},"input":${texts[i]}}`)
          .join(",")}]}`,
      );
      expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it("leaves nothing behind where the value cannot be written", () => {
  const text = new JsonText(' {"a": 1}');
  expect(() => writeWithTexts({ text, big: 1n }, MARK)).toThrow(TypeError);
  expect(JSON.stringify([text])).toBe('[{"a":1}]');
});
