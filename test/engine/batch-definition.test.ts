import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { faultOfResults, type BatchOption } from "../../src/core/batch.ts";
import { defineTask, type TaskOptions } from "../../src/core/define-task.ts";
import type { InputOf, OutputOf } from "../../src/core/task.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { callsOf } from "../../src/worker/batch-call.ts";

const index = defineTask({
  name: "search.index",
  input: z.object({ id: z.string(), boost: z.number().default(1) }),
  output: z.boolean(),
  batch: { size: 100, wait: "2s" },
  async run(inputs, ctx) {
    expectTypeOf(inputs).toEqualTypeOf<{ id: string; boost: number }[]>();
    // @ts-expect-error A step would be one of many tasks.
    void ctx.step;
    return inputs.map(({ id }, i) => (id === "" ? new Error(`${ctx.items[i]?.id} has no id`) : true));
  },
});

describe("a batch in a definition", () => {
  it("keeps its size, and its wait in milliseconds; a plain task has none", () => {
    expect(index.batch).toMatchObject({ size: 100, waitMs: 2_000 });
    expect(defineTask({ name: "x", input: z.any(), output: z.any(), run: () => null }).batch).toBeNull();
  });

  it("has the types of one item on both ends", () => {
    expectTypeOf<InputOf<typeof index>>().toEqualTypeOf<{ id: string; boost?: number | undefined }>();
    expectTypeOf<OutputOf<typeof index>>().toEqualTypeOf<boolean>();
  });

  it("wants results of the output's type, or errors", () => {
    const wrong = defineTask({
      name: "x",
      input: z.any(),
      output: z.number(),
      batch: { size: 2, wait: 1 },
      // @ts-expect-error No number.
      run: (inputs) => inputs.map(() => "text"),
    });
    expect(wrong.batch).not.toBeNull();
  });

  it("does not run a single input", () => {
    expect(() => index.run({ id: "1", boost: 1 }, null as never)).toThrow(TypeError);
  });

  type Options = Partial<TaskOptions<string, z.ZodAny, z.ZodAny, BatchOption>>;
  const batch = { size: 10, wait: "1s" } as const;

  it.each<[string, Options]>([
    ["a size of nothing", { batch: { size: 0, wait: "1s" } }],
    ["a size that fits no call", { batch: { size: 501, wait: "1s" } }],
    ["no wait at all", { batch: { size: 10, wait: 0 } }],
    ["a wait of more than a day", { batch: { size: 10, wait: "25h" } }],
    ["a concurrency that never lets a whole batch run", { batch, concurrency: { limit: 9 } }],
    ["a rate that never lets a whole batch start", { batch, rateLimit: { limit: 100, per: "1s" } }],
  ])("refuses %s", (_, options) => {
    expect(() => defineTask({ name: "x", input: z.any(), output: z.any(), batch, run: () => [], ...options })).toThrow(
      RangeError,
    );
  });

  it("takes limits that a whole batch fits in, and limits of keys", () => {
    const base = { name: "x", input: z.any(), output: z.any(), batch, run: () => [] };
    expect(defineTask({ ...base, concurrency: [{ limit: 10 }, { limit: 1, key: String }] }).concurrency).toHaveLength(
      2,
    );
    expect(defineTask({ ...base, rateLimit: { limit: 1, per: "1s", burst: 10 } }).rateLimit).not.toBeNull();
    expect(defineTask({ ...base, rateLimit: { limit: 1, per: "1s", key: String } }).rateLimit).not.toBeNull();
  });
});

describe("what a handler returned", () => {
  it.each<[unknown, string | null]>([
    [[1, 2], null],
    [[1], "the handler returned 1 results for 2 inputs"],
    [[1, 2, 3], "the handler returned 3 results for 2 inputs"],
    [undefined, "the handler of a batch returns an array with a result for each input"],
    [{ length: 2 }, "the handler of a batch returns an array with a result for each input"],
  ])("%j for two inputs", (returned, fault) => {
    expect(faultOfResults(returned, 2)).toBe(fault);
  });
});

describe("what was claimed together", () => {
  const batched = { ...index, batch: { ...index.batch!, size: 2 } };
  const task = (id: string, more: Partial<ClaimedTask> = {}) => {
    const row = { id, tenant: "a", task: "batched", lane: "default", runAt: 1, crashes: 0, ...more } as ClaimedTask;
    return { task: row, definition: row.task === "batched" ? batched : undefined };
  };

  it("is called by tenant, task and lane, the oldest first, and never more than a batch holds", () => {
    const claimed = [
      task("5", { runAt: 2 }),
      task("1", { tenant: "b" }),
      task("2", { lane: "bulk" }),
      task("4"),
      task("3"),
      task("alone", { task: "plain" }),
      task("alone too", { task: "plain" }),
    ];
    const calls = callsOf(claimed).map((call) => call.map((each) => each.task.id));
    expect(calls).toEqual([["3", "4"], ["5"], ["1"], ["2"], ["alone"], ["alone too"]]);
  });

  it("is called without the tasks that were cut off: each has its next try alone", () => {
    const claimed = [task("1"), task("2", { crashes: 2 }), task("3"), task("4", { crashes: 1 })];
    const calls = callsOf(claimed).map((call) => call.map((each) => each.task.id));
    expect(calls).toEqual([["1", "3"], ["2"], ["4"]]);
  });
});
