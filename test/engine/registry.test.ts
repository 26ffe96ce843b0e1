import { describe, expect, it } from "vitest";
import { z } from "zod";
import { findTask, taskNames } from "../../src/engine/registry.ts";

describe("registry", () => {
  it("knows the example tasks in every deployment", () => {
    expect(taskNames({})).toEqual([
      "process_item",
      "csv.summarize",
      "csv.report",
      "csv.scan",
      "csv.part",
      "http.request",
    ]);
    expect(findTask("process_item", {})?.name).toBe("process_item");
  });

  it.each([{}, { FIXTURES: "0" }, { FIXTURES: "true" }, { FIXTURES: "" }])("has no fixtures with %o", (env) => {
    expect(findTask("test.noop", env)).toBeUndefined();
    expect(taskNames(env).filter((name) => name.startsWith("test."))).toEqual([]);
  });

  it("has the fixtures where the configuration asks for them", () => {
    expect(findTask("test.noop", { FIXTURES: "1" })?.name).toBe("test.noop");
    expect(taskNames({ FIXTURES: "1" })).toEqual(
      expect.arrayContaining(["process_item", "test.add", "test.sum", "test.fail", "test.context"]),
    );
  });

  it.each(["constructor", "__proto__", "toString", "", "PROCESS_ITEM"])("knows no task %j", (name) => {
    expect(findTask(name, { FIXTURES: "1" })).toBeUndefined();
  });

  it.each(taskNames({ FIXTURES: "1" }))("can describe what %s takes and returns", (name) => {
    const task = findTask(name, { FIXTURES: "1" });
    expect(z.toJSONSchema(task?.input ?? z.never(), { io: "input" })).not.toHaveProperty("not");
    expect(z.toJSONSchema(task?.output ?? z.never())).not.toHaveProperty("not");
  });
});
