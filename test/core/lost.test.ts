import { describe, expect, it } from "vitest";
import { demandKept, lostIn } from "../../src/core/lost.ts";
import { check } from "../../src/core/check.ts";
import { faults } from "../../src/core/problems.ts";
import { submissionSchema } from "../../src/contract/submission.ts";

class Point {
  readonly x = 1;
}

describe("what JSON does not keep", () => {
  it.each([
    [new Map([["a", 1]]), "", "a Map; give Object.fromEntries(map)"],
    [{ seen: [1, new Set([1])] }, "/seen/1", "a Set; give [...set]"],
    [[1, { mean: Number.NaN }], "/1/mean", "NaN; give null or a text"],
    [-Infinity, "", "-Infinity; give null or a text"],
    [{ page: Promise.resolve(1) }, "/page", "a Promise; await it"],
    [{ "a/b": () => 1 }, "/a~1b", "a function; leave it out, or give a text that stands for it"],
    [{ error: new Error("x") }, "/error", "an Error; give its message"],
    [{ at: new Date(Number.NaN) }, "/at", "a Date; leave it out, or give a text that stands for it"],
    [new Uint8Array(2), "", "a Uint8Array; leave it out, or give a text that stands for it"],
  ])("is found in %o", (value, pointer, detail) => {
    expect(lostIn(value)).toEqual({ pointer, detail });
  });

  it.each([
    [undefined],
    [{ a: undefined, b: null, c: [] }],
    [new Date()],
    [{ at: new Date() }],
    [new Point()],
    [{}],
    [Object.create(null)],
    [{ toJSON: () => 1, more: new Map() }],
    ["text"],
  ])("is nothing in %o", (value) => {
    expect(lostIn(value)).toBeNull();
  });
});

describe("a date in what a step gives", () => {
  it.each([
    [new Date(), 'the value of the step "load" has a Date, and JSON keeps it as a text'],
    [{ a: [1, { at: new Date() }], b: new Date() }, 'the value of the step "load" has a Date at /a/1/at, and'],
  ])("is warned about: %o", (value, warning) => {
    expect(demandKept("load", value)).toContain(warning);
  });

  it("is none in a text of it, and goes after what is lost", () => {
    expect(demandKept("load", { at: new Date().toISOString() })).toBeNull();
    expect(() => demandKept("load", [new Date(), new Map()])).toThrow("at /1 that JSON does not keep: a Map");
  });
});

describe("an unknown member", () => {
  it("is told which one was meant, at every depth", () => {
    const checked = check(submissionSchema, {
      task: "a",
      inputs: 1,
      options: { retenton: "1d", zzz: 1, concurrency: { key: "k", limit: 1, limits: 2 } },
    });
    expect(checked.success ? [] : faults(checked.issues)).toEqual([
      { pointer: "/options/concurrency/limits", detail: "unknown member; did you mean limit?" },
      { pointer: "/options/retenton", detail: "unknown member; did you mean retention?" },
      { pointer: "/options/zzz", detail: "unknown member" },
      { pointer: "/inputs", detail: "unknown member; did you mean input?" },
    ]);
  });
});
