import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Utf8Decoder } from "../../../src/app/tasks/csv/decode-utf8.ts";

/** All the text, and whether it was valid to its end. */
function decode(bytes: Uint8Array, cuts: number[]): { text: string; valid: boolean } {
  const decoder = new Utf8Decoder();
  const at = cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b);
  let text = "";
  for (const [i, end] of [...at, bytes.length].entries()) {
    const decoded = decoder.decode(bytes.subarray(at[i - 1] ?? 0, end));
    text += decoded.text;
    if (!decoded.valid) return { text, valid: false };
  }
  return { text, valid: decoder.end() };
}

const text = fc.string({ unit: "binary", maxLength: 30 });
const cuts = fc.array(fc.nat(60), { maxLength: 30 });

describe("Utf8Decoder", () => {
  it("gives back any text, whatever characters the pieces share", () => {
    fc.assert(
      fc.property(text, cuts, (whole, at) => {
        const expected = whole.startsWith("\uFEFF") ? whole.slice(1) : whole;
        expect(decode(new TextEncoder().encode(whole), at)).toEqual({ text: expected, valid: true });
      }),
      { numRuns: 2_000 },
    );
  });

  it("leaves out a byte order mark at the start alone, even one that comes byte by byte", () => {
    const bytes = new TextEncoder().encode("\uFEFFa\uFEFFb");
    expect(decode(bytes, [1, 2, 4])).toEqual({ text: "a\uFEFFb", valid: true });
  });

  it.each([
    [[0x80]],
    [[0xff, 0xfe]],
    [[0xc0, 0x80]],
    [[0xe2, 0x28]],
    [[0xed, 0xa0, 0x80]],
    [[0xf5, 0x80, 0x80, 0x80]],
    [[0xe2, 0x82]],
    [[0xf0, 0x9f, 0x98]],
  ])("tells what came before %j", (wrong) => {
    fc.assert(
      fc.property(
        text.filter((before) => !before.startsWith("\uFEFF")),
        cuts,
        fc.boolean(),
        (before, at, more) => {
          // More bytes could only complete what is incomplete if they continued it.
          const bytes = [...new TextEncoder().encode(before), ...wrong, ...(more ? [0x61, 0x0a] : [])];
          expect(decode(new Uint8Array(bytes), at)).toEqual({ text: before, valid: false });
        },
      ),
    );
  });

  it("takes a real replacement character for what it is", () => {
    expect(decode(new TextEncoder().encode("a\uFFFDb"), [])).toEqual({ text: "a\uFFFDb", valid: true });
  });
});
