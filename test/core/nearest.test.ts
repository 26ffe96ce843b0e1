import { describe, expect, it } from "vitest";
import { meant, nearest } from "../../src/core/nearest.ts";

const NAMES = ["process_item", "csv.summarize", "csv.scan", "http.request"];

describe("the nearest name", () => {
  it.each([
    ["process_itm", "process_item"],
    ["processItem", "process_item"],
    ["proecss_item", "process_item"],
    ["process_itemss", "process_item"],
    ["csv.summarise", "csv.summarize"],
    ["csv.scam", "csv.scan"],
    ["HTTP_REQUEST", "http.request"],
  ])("to %s is %s", (given, name) => {
    expect(nearest(given, NAMES)).toBe(name);
  });

  it.each(["process", "", "...", "item", "csv", "x".repeat(100_000)])("to %j is none", (given) => {
    expect(nearest(given, NAMES)).toBeNull();
    expect(meant(given, NAMES)).toBe("");
  });

  it("is the nearest of several, and of equals the first", () => {
    expect(nearest("csv.scanx", ["csv.scanner", "csv.scan"])).toBe("csv.scan");
    expect(nearest("ax", ["ab", "ac"])).toBe("ab");
  });
});
