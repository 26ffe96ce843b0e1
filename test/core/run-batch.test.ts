/** `lovage/testing` for batches. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { defineTask } from "../../src/core/define-task.ts";
import { NonRetryableError } from "../../src/core/errors.ts";
import { batch } from "../../src/app/fixtures/batches.ts";
import { add } from "../../src/app/fixtures/values.ts";
import { runBatch, runTask } from "../../src/testing/run-task.ts";

describe("runBatch", () => {
  it("tells of each task how it ended", async () => {
    const runs = await runBatch(batch, [
      { value: 1 },
      { value: 2, fail: "error" },
      { value: 3, fail: "final" },
      { value: 4, fail: "output" },
    ]);
    expect(runs.map((run) => [run.outcome, run.result, run.error?.type, run.retryable])).toEqual([
      ["succeeded", 1, undefined, null],
      ["failed", null, "Error", true],
      ["failed", null, "NonRetryableError", false],
      ["failed", null, "invalid_output", false],
    ]);
    expectTypeOf(runs[0]!.result).toEqualTypeOf<number | null>();
  });

  it("tells what was said of each, and of all", async () => {
    const talkative = defineTask({
      name: "talkative",
      input: z.string(),
      output: z.string(),
      batch: { size: 10, wait: "1s" },
      run(inputs, ctx) {
        ctx.log("all", { tenant: ctx.tenant });
        ctx.items[1]?.progress(1, 2);
        return inputs.map((input, i) => `${input} ${ctx.items[i]?.id.slice(-3)} ${ctx.items[i]?.attempt}`);
      },
    });
    const runs = await runBatch(talkative, ["a", "b"], { attempt: 2, tenant: "shop" });
    expect(runs.map((run) => run.result)).toEqual(["a 000 2", "b 001 2"]);
    expect(runs.map((run) => [run.logs[0]?.data, run.progress.length])).toEqual([
      [{ tenant: "shop" }, 0],
      [{ tenant: "shop" }, 1],
    ]);
  });

  it("is one failure for all where the handler throws, or returns too few", async () => {
    const thrown = await runBatch(batch, [{ value: 1 }, { value: 2, fail: "throw" }]);
    expect(thrown.map((run) => [run.error?.message, run.retryable])).toEqual([
      ["all fail", true],
      ["all fail", true],
    ]);
    const short = await runBatch(batch, [{ value: 1 }, { value: 2, fail: "length" }]);
    expect(short.map((run) => run.error?.message)).toEqual(
      Array(2).fill("the handler returned 0 results for 2 inputs"),
    );
  });

  it("refuses what the service would not take, and tasks that are no batch", async () => {
    await expect(runBatch(batch, [{ value: "1" as never }])).rejects.toThrow(/input\/value/);
    await expect(runBatch(add, [{ x: 1, y: 2 }])).rejects.toThrow(/runTask/);
  });
});

describe("runTask", () => {
  it("gives a batch's handler the one input", async () => {
    expect(await runTask(batch, { value: 7 })).toMatchObject({ outcome: "succeeded", result: 7 });
    expect(await runTask(batch, { value: 7, fail: "final" })).toMatchObject({
      outcome: "failed",
      error: { type: NonRetryableError.name },
    });
  });
});
