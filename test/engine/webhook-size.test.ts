/** A webhook says what it leaves out, and leaves out no more than it must. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import { MAX_PAYLOAD_BYTES } from "../../src/core/bounds.ts";
import { newTaskIds } from "../../src/engine/ids.ts";
import { presentTask } from "../../src/engine/present.ts";
import { newDelivery } from "../../src/engine/webhooks/delivery.ts";
import { newRow } from "../../src/results/new-row.ts";
import { byteLength } from "../../src/core/byte-length.ts";
import { newTask } from "./webhook-tasks.ts";

const text = (bytes: number) => "x".repeat(bytes);

function told(sizes: { input?: number; result?: number; progress?: number }, payload: "full" | "thin" = "full") {
  const task: TaskResource = {
    ...presentTask(newRow(newTask("t"))),
    ...(sizes.input === undefined ? {} : { input: text(sizes.input) }),
    ...(sizes.result === undefined ? {} : { result: text(sizes.result) }),
    ...(sizes.progress === undefined
      ? {}
      : { progress: { done: 1, total: 1, percent: 100, message: null, data: text(sizes.progress), at: "now" } }),
  };
  const listener = { tenant: "t", webhookId: "webhook", payload };
  const delivery = newDelivery(listener, { type: "task.succeeded", at: 0, task }, newTaskIds(1)[0]!, 0);
  const stored = delivery.task.input!;
  expect(byteLength(stored)).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
  return { task, data: (JSON.parse(stored) as { payload: { data: Partial<TaskResource> } }).payload.data };
}

it.each<[string, Parameters<typeof told>[0], string[] | undefined]>([
  ["what fits", { input: 500_000, result: 500_000 }, undefined],
  ["a large result", { input: 10, result: 1_048_570 }, ["result"]],
  ["a large input", { input: 1_048_570, result: 10 }, ["input"]],
  ["the larger of two", { input: 700_000, result: 600_000 }, ["input"]],
  ["both", { input: 1_048_570, result: 1_048_570 }, ["input", "result"]],
  ["all three", { input: 1_048_570, result: 1_048_570, progress: 1_048_570 }, ["input", "result", "progress"]],
])("of %s it says so", (_, sizes, omitted) => {
  const { task, data } = told(sizes);
  expect(data.omitted).toEqual(omitted);
  expect(data.links?.self).toBe(`/v1/tasks/${task.id}`);
});

it("is asked for none of it by a thin endpoint, and still says what else it leaves out", () => {
  const { data } = told({ input: 10, result: 10 }, "thin");
  expect(data).not.toHaveProperty("input");
  expect(data).not.toHaveProperty("omitted");
  expect(told({ input: 10, progress: 1_048_570 }, "thin").data).toMatchObject({
    progress: null,
    omitted: ["progress"],
  });
});

it("holds every member as it is, or null and named", () => {
  const size = fc.option(fc.integer({ min: 0, max: 1_048_570 }), { nil: undefined });
  fc.assert(
    fc.property(size, size, size, (input, result, progress) => {
      const { task, data } = told({ input, result, progress } as never);
      for (const member of ["input", "result", "progress"] as const) {
        const isOmitted = data.omitted?.includes(member) ?? false;
        expect(JSON.stringify(data[member])).toBe(JSON.stringify(isOmitted ? null : task[member]));
        expect(isOmitted && task[member] === null).toBe(false);
      }
    }),
    { numRuns: 30 },
  );
});
