import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DanglingReferenceError,
  fillIn,
  taskIdsOf,
  ValueGoneError,
  valueOf,
  type Ended,
} from "../../src/core/flows/value.ts";

const succeeded = (result: unknown): Ended => ({ state: "succeeded", result });

const known = {
  ended: new Map<string, Ended>([
    ["a", succeeded(1)],
    ["b", succeeded({ x: [7] })],
    ["nothing", succeeded(null)],
    ["bad", { state: "failed", result: null, error: { type: "Error", message: "no" } }],
  ]),
  failure: { flowId: "flow", failed: [] },
};

describe("a source", () => {
  it.each([
    ["a task's result", "a", 1],
    ["one that is null", "nothing", null],
    ["a list", { list: ["b", "a", { list: [] }] }, [{ x: [7] }, 1, []]],
    ["an object", { object: { one: "a", two: { list: ["a"] } } }, { one: 1, two: [1] }],
    ["a constant", { value: { list: ["a"] } }, { list: ["a"] }],
    ["the failure", { failure: true as const }, { flowId: "flow", failed: [] }],
    ["what may be null and is not", { orNull: { object: { one: "a" } } }, { one: 1 }],
    ["what may be null and is", { orNull: { object: { one: "a", two: "bad" } } }, null],
    ["what may be null with a null in it", { orNull: { list: ["nothing"] } }, [null]],
    ["what is null because of another", { orNull: "a", if: ["b", "bad"] }, null],
    ["what is not null because of others", { orNull: "a", if: ["b"] }, 1],
    ["what may be null, of no task", { orNull: { list: [] } }, []],
    ["what may be null, with another such inside that is", { orNull: { list: ["a", { orNull: "bad" }] } }, [1, null]],
  ])("gives %s", (_, source, value) => {
    expect(valueOf(source, known)).toEqual(value);
  });

  it.each([
    ["a task that is not there", "purged", ["purged"]],
    ["a task that did not succeed", "bad", ["bad"]],
    ["one of a list", { list: ["a", "purged", "b"] }, ["purged"]],
    ["one of an object", { object: { one: "a", two: { list: ["purged"] } } }, ["purged"]],
    ["one whose failure would be ignored", { orNull: { list: ["a", "purged"] } }, ["purged"]],
    ["one whose failure would make it null", { orNull: "a", if: ["purged"] }, ["purged"]],
    ["one beside a failure that is ignored", { orNull: { list: ["bad", "purged"] } }, ["purged"]],
    ["one deep inside", { orNull: { object: { x: { orNull: "purged" } } } }, ["purged"]],
  ])("has no value, and says so, without the result of %s", (_, source, taskIds) => {
    expect(() => valueOf(source, known)).toThrow(ValueGoneError);
    expect(() => valueOf(source, known)).toThrow(
      expect.objectContaining({ name: "ValueGoneError", data: { taskIds } }),
    );
  });

  it("names all of its tasks", () => {
    const source = {
      object: { x: { list: ["a", { orNull: "b", if: ["d"] }] }, y: { value: "c" }, z: { failure: true as const } },
    };
    expect(taskIdsOf(source)).toEqual(["a", "b", "d"]);
  });
});

describe("filling in", () => {
  const sources = { previous: { a: [{ "m/n": 1, "p~q": 2, "": 3 }], "": 0, no: null, text: "ab" }, other: "text" };

  it.each([
    ["the whole", { $from: "other" }, "text"],
    ["the whole by an empty path", { $from: "other", path: "" }, "text"],
    ["a member", { $from: "previous", path: "/no" }, null],
    ["an item", { $from: "previous", path: "/a/0/p~0q" }, 2],
    ["an escaped slash", { $from: "previous", path: "/a/0/m~1n" }, 1],
    ["a member without a name", { $from: "previous", path: "/" }, 0],
    ["one below another", { $from: "previous", path: "/a/0/" }, 3],
  ])("finds %s", (_, reference, value) => {
    expect(fillIn({ deep: [reference, 1] }, sources)).toEqual({ deep: [value, 1] });
  });

  it.each([
    ["a member that is not there", "/b"],
    ["an item that is not there", "/a/1"],
    ["the place after the last item", "/a/-"],
    ["what an object has by birth", "/constructor"],
    ["what a list has by birth", "/a/map"],
    ["the length of a list", "/a/length"],
    ["an item with a leading zero", "/a/00"],
    ["an item with a sign", "/a/+0"],
    ["an item with a fraction", "/a/0.0"],
    ["an item with a blank", "/a/ 0"],
    ["a character of a text", "/text/0"],
    ["the length of a text", "/text/length"],
    ["something below null", "/no/x"],
  ])("throws at %s", (_, path) => {
    expect(() => fillIn({ $from: "previous", path }, sources)).toThrow(DanglingReferenceError);
    expect(() => fillIn({ $from: "previous", path }, sources)).toThrow(`"previous" has nothing at ${path}`);
  });

  it("leaves everything else as it is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        fc.pre(!JSON.stringify(input).includes("$from"));
        expect(fillIn(input, {})).toEqual(input);
      }),
    );
  });

  it("does not look for references in what it fills in", () => {
    expect(fillIn({ x: { $from: "previous" } }, { previous: { $from: "other" } })).toEqual({ x: { $from: "other" } });
  });

  it("finds, by its pointer, whatever is in a value", () => {
    const escape = (key: string) => key.replaceAll("~", "~0").replaceAll("/", "~1");
    const paths = (value: unknown, at = ""): [string, unknown][] => [
      [at, value],
      ...(typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([key, each]) => paths(each, `${at}/${escape(key)}`))
        : []),
    ];
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const [path, there] of paths(value)) {
          expect(fillIn({ $from: "previous", path }, { previous: value })).toEqual(there);
        }
      }),
    );
  });
});
