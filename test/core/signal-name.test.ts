/** Names of signals: what may be waited for is what the route delivers. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { NonRetryableError } from "../../src/core/errors.ts";
import { assertSignalName, isSignalName } from "../../src/core/signal-name.ts";

const BAD = ["", "a b", "a/b", "ü", ".", "..", "a\nb", "a?", "%41", "a".repeat(101)];

it.each(BAD)("refuses %j, and for good", (name) => {
  expect(() => assertSignalName(name)).toThrow(NonRetryableError);
});

it("takes only names that an address keeps as they are", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9_.-]{1,100}$/)), (name) => {
      const path = `/v1/tasks/task_1/signals/${name}`;
      const isKept = URL.parse(path, "http://localhost")?.pathname === path;
      expect(isSignalName(name) && !isKept).toBe(false);
    }),
    { examples: [["."], [".."], ["..."], ["constructor"]] },
  );
  expect(["...", "a", "constructor", "A-1_b.c"].filter((name) => !isSignalName(name))).toEqual([]);
});
