/** `lovage/testing`: what a user's unit test can see of an attempt. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { defineTask, type TaskOptions } from "../../src/core/define-task.ts";
import { NonRetryableError, RetryAfterError } from "../../src/core/errors.ts";
import { nap, signal, spawn, steps, undo } from "../../src/app/fixtures/durable.ts";
import { fail, failTimes } from "../../src/app/fixtures/failures.ts";
import { log, output } from "../../src/app/fixtures/reports.ts";
import { add, badOutput, context, noop, sum } from "../../src/app/fixtures/values.ts";
import { processItem } from "../../src/app/tasks/process-item.ts";
import { runTask } from "../../src/testing/run-task.ts";

/** A task of any input and output that does this. */
function taskThat(
  run: TaskOptions<"t", z.ZodUnknown, z.ZodUnknown>["run"],
  options: { retry?: () => number | null } = {},
) {
  return defineTask({ name: "t", input: z.unknown(), output: z.unknown(), ...options, run });
}

describe("the outcome of an attempt", () => {
  it("is the result as its caller reads it", async () => {
    const run = await runTask(add, { x: 1, y: 2 });
    const date = await runTask(
      taskThat(() => ({ at: new Date(0), left: undefined })),
      null,
    );

    expect(run).toMatchObject({ outcome: "succeeded", result: 3, error: null, retryable: null });
    expectTypeOf(run.result).toEqualTypeOf<number | null>();
    expect(date.result).toEqual({ at: "1970-01-01T00:00:00.000Z" });
    expect((await runTask(noop, undefined)).result).toBeNull();
  });

  it("is refused where the service would not take the input", async () => {
    // @ts-expect-error A wrong input does not compile.
    await expect(runTask(add, { x: "1", y: 2 })).rejects.toThrow(/input\/x/);
  });

  it("is an error, and whether and when another attempt would follow", async () => {
    const by = async (thrown: unknown, retry?: () => number | null) => {
      const run = taskThat(
        () => {
          throw thrown;
        },
        retry ? { retry } : {},
      );
      const { outcome, error, retryable, retryAfterMs } = await runTask(run, null);
      return { outcome, type: error?.type, retryable, retryAfterMs };
    };

    const failed = { outcome: "failed", type: "Error", retryable: true, retryAfterMs: null };
    expect(await by(new Error("once more"))).toEqual(failed);
    expect(await by(new Error("no more"), () => null)).toEqual({ ...failed, retryable: false });
    expect(await by(new Error("soon"), () => 50)).toEqual({ ...failed, retryAfterMs: 50 });
    expect(await by(new RetryAfterError("later", "2s"))).toEqual({
      ...failed,
      type: "RetryAfterError",
      retryAfterMs: 2_000,
    });
    expect(await by(new NonRetryableError("never"))).toEqual({
      ...failed,
      type: "NonRetryableError",
      retryable: false,
    });
    expect((await runTask(fail, { message: "as asked" })).error?.message).toBe("as asked");
    expect((await runTask(badOutput, null)).error?.type).toBe("invalid_output");
  });

  it("is that the attempt was given back", async () => {
    const { outcome, snoozedMs } = await runTask(
      taskThat((_, ctx) => ctx.snooze("10m")),
      null,
    );

    expect({ outcome, snoozedMs }).toEqual({ outcome: "snoozed", snoozedMs: 600_000 });
  });
});

describe("the context", () => {
  it("tells the handler what the test says of the task", async () => {
    const told = { id: "task_1", attempt: 2, tags: { a: "b" }, parentId: "task_0", flowId: "flow_1", traceparent: "t" };

    expect((await runTask(context, null, told)).result).toEqual({ ...told, rootId: "task_1" });
    expect((await runTask(failTimes, { times: 1 })).outcome).toBe("failed");
    expect((await runTask(failTimes, { times: 1 }, { attempt: 2 })).result).toBe(2);
    expect(
      (
        await runTask(
          taskThat((_, { env }) => env.API_KEY),
          null,
          { env: { API_KEY: "k" } },
        )
      ).result,
    ).toBe("k");
  });

  it("records what the handler tells", async () => {
    const item = await runTask(processItem, { name: "tea", steps: 2, pause: 0 });

    expect(item.result).toEqual({ result: "Processed item tea" });
    expect(item.progress.map(({ done, total }) => [done, total])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect((await runTask(log, { lines: 1 })).logs).toEqual([{ level: "info", message: "line 1", data: { line: 1 } }]);
    expect((await runTask(output, { chunks: 2 })).outputs).toEqual([1, 2]);
  });

  it("aborts when the test does", async () => {
    const abort = new AbortController();
    abort.abort(new Error("cancelled"));

    expect(
      (
        await runTask(
          taskThat((_, { signal }) => signal.throwIfAborted()),
          null,
          { signal: abort.signal },
        )
      ).error?.message,
    ).toBe("cancelled");
  });
});

describe("durable calls", () => {
  it("run each step once over several attempts", async () => {
    const first = await runTask(steps, { steps: 3, failAfter: 2 });
    const second = await runTask(steps, { steps: 3, failAfter: 2 }, { attempt: 2, journal: first.journal });

    expect([first.outcome, first.steps]).toEqual(["failed", ["s1", "s2"]]);
    expect([second.result, second.steps]).toEqual([["s1", "s2", "s3"], ["s3"]]);
  });

  it("can be undone, those of earlier attempts too, the last one first and each once", async () => {
    const first = await runTask(undo, { steps: 3, failAfter: 2, failTimes: 1 });
    const second = await runTask(undo, { steps: 3, failUndo: 2 }, { attempt: 2, journal: first.journal });

    expect(await first.undo()).toEqual({ steps: ["s2", "s1"], failures: [] });
    expect(await second.undo()).toMatchObject({
      steps: ["s3", "s1"],
      failures: [{ step: "s2", error: { message: "s2 is not undone, as asked" } }],
    });
    expect(await second.undo()).toEqual({ steps: [], failures: [] });
  });

  it("try a step again that may be", async () => {
    let tries = 0;
    const flaky = taskThat(async (_, ctx) =>
      ctx.step(
        "flaky",
        () => {
          if (++tries < 3) throw new Error("not yet");
          return tries;
        },
        { maxAttempts: 3 },
      ),
    );

    expect((await runTask(flaky, null)).result).toBe(3);
  });

  it("sleep in no time", async () => {
    expect(await runTask(nap, { ms: 86_400_000 })).toMatchObject({
      result: 1,
      sleeps: [86_400_000],
      steps: ["before", "after"],
    });
  });

  it("get the signals that the test sends, wait for those it does not, and time out where they may", async () => {
    const sent = await runTask(signal, { name: "approved" }, { signals: { approved: [{ by: "anna" }] } });
    const waiting = await runTask(signal, { name: "approved" });
    const late = await runTask(signal, { name: "approved", timeout: 5 });

    expect(sent.result).toEqual({ by: "anna" });
    expect(waiting).toMatchObject({ outcome: "waiting", waitingFor: "approved" });
    expect(late.error?.type).toBe("SignalTimeoutError");
  });

  it("finish what goes on beside a wait", async () => {
    const both = taskThat(async (_, ctx) =>
      Promise.all([
        ctx.waitForSignal("never"),
        ctx
          .step("slow", async () => new Promise((done) => setTimeout(done, 20)))
          .then(async () => ctx.step("after", () => 1)),
      ]),
    );

    expect(await runTask(both, null)).toMatchObject({ outcome: "waiting", steps: ["slow", "after"] });
  });

  it("run children, or take what the test says instead", async () => {
    const parent = taskThat(async (_, ctx) => {
      const child = await ctx.spawn(add, { x: 1, y: 2 });
      return [await ctx.call(sum, [1, 2, 3]), await ctx.join(child), await ctx.callAll("elsewhere", [1, 2])];
    });
    const run = await runTask(parent, null, { children: { elsewhere: (n: number) => n * 10 } });

    expect(run.result).toEqual([6, 3, [10, 20]]);
    expect(run.spawned.map(({ task, input }) => [task, input])).toEqual([
      ["test.add", { x: 1, y: 2 }],
      ["test.sum", [1, 2, 3]],
      ["elsewhere", 1],
      ["elsewhere", 2],
    ]);
    expect((await runTask(spawn, { task: "x", n: 1 })).error?.message).toContain("x results in");
  });

  it("hear of children that fail", async () => {
    const parent = taskThat(async (_, ctx) => ctx.call(fail, { message: "as asked", retryable: true }));
    const told = taskThat(async (_, ctx) => ctx.call("other", null));
    const children = {
      other: () => {
        throw new Error("as told");
      },
    };

    expect((await runTask(parent, null)).error).toMatchObject({
      type: "ChildFailedError",
      data: { error: { message: "as asked" } },
    });
    expect((await runTask(told, null, { children })).error).toMatchObject({ data: { error: { message: "as told" } } });
  });
});
