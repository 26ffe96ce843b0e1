import { describe, expect, it } from "vitest";
import type { Wait } from "../../src/core/settle.ts";
import { suspend } from "../../src/engine/suspend.ts";

const waiting = (count: number, length: number) =>
  Array.from({ length: count }, (_, n) => ({
    until: null,
    signal: { name: `s${n}`, since: 1, schema: { description: "x".repeat(length) } },
  }));

const waitOf = (count: number, length: number) => (suspend(waiting(count, length), 0) as { wait: Wait }).wait;

describe("what a suspended task asks for", () => {
  it("has every schema where they are few", () => {
    const { asked } = waitOf(3, 16_000);
    expect(asked!.map(({ schema }) => schema !== null)).toEqual([true, true, true]);
  });

  it("fits into its row however many schemas there are", () => {
    const wait = waitOf(200, 16_000);
    expect(JSON.stringify(wait).length).toBeLessThan(100_000);
    expect(wait.signals).toHaveLength(200);
    expect(wait.asked!.filter(({ schema }) => schema !== null)).toHaveLength(4);
    expect(wait.asked!.at(-1)).toEqual({ since: 1, until: null, schema: null });
  });
});
