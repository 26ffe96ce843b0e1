import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { check } from "../../src/core/check.ts";
import { PROBLEMS } from "../../src/core/problem-kinds.ts";
import { faults, pointer, problem } from "../../src/core/problems.ts";

/** RFC 6901 §4, from the standard's own words: what a pointer points at. */
function resolve(document: unknown, text: string): unknown {
  const tokens = text.split("/").slice(1);
  return tokens.reduce<unknown>((value, token) => {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    return (value as Record<string, unknown>)[key];
  }, document);
}

/** Keys as awkward as they come, but none that JavaScript itself treats as special. */
const keys = fc.string({ unit: fc.constantFrom("a", "b", "/", "~", "0", "1", "é", " ") });

describe("a pointer", () => {
  it("finds its way back to the value, whatever the members are called", () => {
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 6 }), (path) => {
        const leaf = {};
        const document = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), leaf);
        expect(resolve(document, pointer(path))).toBe(leaf);
      }),
    );
  });

  it.each([
    [[], ""],
    [[""], "/"],
    [["tasks", 0, "input"], "/tasks/0/input"],
    [["a/b", "m~n"], "/a~1b/m~0n"],
    [["~1"], "/~01"],
  ])("of %j is %j", (path, text) => {
    expect(pointer(path)).toBe(text);
  });
});

describe("the faults of a body", () => {
  const schema = z.strictObject({ name: z.string(), list: z.array(z.strictObject({ "a/b": z.int() })) });
  const of = (body: unknown, base: PropertyKey[] = []) => faults(schema.safeParse(body).error!.issues, base);

  it("point at the member that is wrong", () => {
    expect(of({ name: 1, list: [{ "a/b": 1 }, { "a/b": "x" }] }).map((fault) => fault.pointer)).toEqual([
      "/name",
      "/list/1/a~1b",
    ]);
  });

  it("point at each unknown member by its own name", () => {
    expect(of({ name: "x", list: [{ "a/b": 1, "c~d": 2, e: 3 }] })).toEqual([
      { pointer: "/list/0/c~0d", detail: "unknown member" },
      { pointer: "/list/0/e", detail: "unknown member" },
    ]);
  });

  it("point from where the schema applies", () => {
    expect(of({ list: [] }, ["tasks", 3, "input"])[0]?.pointer).toBe("/tasks/3/input/name");
  });

  it("point at what holds a name that is too long to be written out", () => {
    const long = "~/".repeat(5_000);
    const found = of({ name: "x", list: [{ "a/b": 1, [long]: 2 }] });
    expect(found[0]!.pointer.length).toBeLessThan(2_100);
    expect(problem("invalid-body", "", found).errors).toEqual([{ pointer: "/list/0", detail: "unknown member" }]);
  });

  it("have words of their own where they may be listed, and not in any number", () => {
    const checked = check(
      z.array(z.enum(["a", "b"])),
      Array.from({ length: 30_000 }, () => 0),
    );
    const words = checked.success ? [] : checked.issues.map(({ message }) => message);
    expect(words.length).toBe(30_000);
    expect(words.slice(0, 101).every((each) => each.includes('"a"|"b"'))).toBe(true);
    expect(words.filter((each) => each.includes('"a"|"b"')).length).toBeLessThan(20_000);
  });

  it("are at least one for every body that does not fit", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const { success, error } = schema.safeParse(body);
        expect(faults(error?.issues ?? []).length > 0).toBe(!success);
      }),
    );
  });
});

describe("the problems", () => {
  it("have names that fit into an address, and statuses that are refusals", () => {
    for (const [name, { status, title }] of Object.entries(PROBLEMS)) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(status >= 400 && status < 600).toBe(true);
      expect(title).not.toBe("");
    }
  });

  it("are one 500 and six 503 where the caller is not at fault", () => {
    const ours = Object.entries(PROBLEMS).filter(([, { status }]) => status >= 500);
    expect(Object.fromEntries(ours.map(([name, { status }]) => [name, status]))).toEqual({
      internal: 500,
      misconfigured: 503,
      unavailable: 503,
      "lane-draining": 503,
      "migrations-missing": 503,
      "seal-key-missing": 503,
      "storage-full": 503,
    });
  });
});
