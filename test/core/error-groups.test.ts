/** Which failures are the same error. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupOf, isErrorGroupId, patternOf } from "../../src/core/error-groups.ts";

describe("the pattern of a message", () => {
  it.each([
    ["order 17 failed", "order # failed"],
    ["answered 503", "answered #"],
    ["took 1.5s, -3 left, 2e10 tried", "took #s, # left, # tried"],
    ["no row task_01k4m8q2vxe3d9t7a5r6w0z1yb", "no row #"],
    ["user 3f2b8c1e-9a4d-4e7f-8b2a-1c5d6e7f8a9b is gone", "user # is gone"],
    ["commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit #"],
    ['unexpected token "}" in "a\'b"', 'unexpected token "…" in "…"'],
    ["can't read 'a' of 'b c'", "can't read '…' of '…'"],
    ["GET https://api.example.com/v1/users/17?key=abc failed", "GET https://api.example.com/… failed"],
    ["connect ECONNREFUSED 10.0.0.12:5432", "connect ECONNREFUSED #"],
    ["ids 1, 2, 3 and 4", "ids # and #"],
    ["at 2026-11-28T09:42:00.123Z", "at #"],
    ["no mailbox joe.doe@example.com", "no mailbox #"],
    ["D1_ERROR: Network connection lost.", "D#_ERROR: Network connection lost."],
    ["the connection was\n  refused", "the connection was refused"],
    ["deadbeef is a word", "deadbeef is a word"],
  ])("%j is %j", (message, pattern) => {
    expect(patternOf(message)).toBe(pattern);
  });

  const word = fc.stringMatching(/^[a-z]{1,7}$/);
  const variable = fc.oneof(
    fc.integer().map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.uuid(),
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-01-01") }).map((date) => date.toISOString()),
    fc.stringMatching(/^task_[0-7][0-9a-hjkmnp-tv-z]{25}$/).filter((id) => /_[a-z]*[0-9]/.test(id)),
    fc.stringMatching(/^[0-9a-f]{40}$/).filter((hash) => /\d/.test(hash)),
    fc.ipV4(),
  );
  const quoted = fc.string().map((text) => JSON.stringify(text.replaceAll(/["\\\n]/g, "")));

  /** Two messages of the same words, with other values in the same places. */
  const pair = fc
    .array(fc.oneof(word, fc.constantFrom("<value>", "<quoted>")), { minLength: 1, maxLength: 8 })
    .chain((words) => {
      const message = fc
        .tuple(
          ...words.map((each) => (each === "<value>" ? variable : each === "<quoted>" ? quoted : fc.constant(each))),
        )
        .map((parts) => parts.join(" "));
      return fc.tuple(message, message);
    });

  it("is the same whatever the ids, numbers and quotes are", () => {
    fc.assert(
      fc.property(pair, ([one, other]) => {
        expect(patternOf(one)).toBe(patternOf(other));
      }),
      { numRuns: 500 },
    );
  });

  it("keeps every word that holds no digit", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        expect(patternOf(words.join(" "))).toBe(words.join(" "));
      }),
    );
  });

  it("has no digit, and 300 characters at most, of any text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string({ unit: fc.constantFrom("'", '"', "a", "0", "_", ".", ":", "/", "@", "#", "-"), maxLength: 1_200 }),
        ),
        (text) => {
          const pattern = patternOf(text);
          expect(pattern).not.toMatch(/\d/);
          expect(pattern.length).toBeLessThanOrEqual(300);
        },
      ),
    );
  });
});

describe("a group", () => {
  it("is of one task and one type", () => {
    const { id } = groupOf("a", { type: "Error", message: "no 1" });
    expect(isErrorGroupId(id)).toBe(true);
    expect(groupOf("a", { type: "Error", message: "no 2" })).toEqual({ id, task: "a", type: "Error", message: "no #" });
    const others = [
      groupOf("b", { type: "Error", message: "no 1" }),
      groupOf("a", { type: "TypeError", message: "no 1" }),
      groupOf("a", { type: "Error", message: "none 1" }),
    ];
    expect(new Set([id, ...others.map((each) => each.id)]).size).toBe(4);
  });

  it("has an id that is no name that a class can have", () => {
    for (const name of ["Error", "err_", "err_abc", "timeout"]) expect(isErrorGroupId(name)).toBe(false);
  });
});
