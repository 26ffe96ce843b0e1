/** The time in an id. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { firstIdAt } from "../../src/core/id-time.ts";
import { isTaskId, namedTaskId, newTaskIds } from "../../src/engine/ids.ts";

it("bounds the ids of its millisecond on both sides", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 48 - 2 }), fc.string(), async (at, name) => {
      const id = await namedTaskId(name, at);
      expect(firstIdAt("task", at) <= id && id < firstIdAt("task", at + 1)).toBe(true);
    }),
  );
});

it("bounds the ids that are made now", () => {
  const before = Date.now();
  const [id] = newTaskIds(1);
  expect(firstIdAt("task", before - 1) < id! && id! < firstIdAt("task", Date.now() + 15_000)).toBe(true);
});

it("is an id itself, whatever the time", () => {
  for (const at of [-1, 0, 0.5, Date.now(), 2 ** 48, Number.MAX_SAFE_INTEGER]) {
    expect(isTaskId(firstIdAt("task", at))).toBe(true);
  }
});
