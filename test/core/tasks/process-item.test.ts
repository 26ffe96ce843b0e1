import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { processItem } from "../../../src/app/tasks/process-item.ts";
import { fakeContext } from "./fake-context.ts";

describe("process_item", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("takes 30 steps of a second unless told otherwise", () => {
    expect(processItem.input.parse({ name: "x" })).toEqual({ name: "x", steps: 30, pause: 1_000 });
    expect(processItem.input.parse({ name: "x", steps: 2, pause: 5 })).toEqual({ name: "x", steps: 2, pause: 5 });
    expect(processItem.timeoutMs).toBeGreaterThanOrEqual(5 * 60_000);
  });

  it.each([
    {},
    { name: "" },
    { name: "x".repeat(201) },
    { name: 1 },
    { name: "x", steps: 0 },
    { name: "x", steps: 10_001 },
    { name: "x", steps: 1.5 },
    { name: "x", pause: "soon" },
    { name: "x", pause: -1 },
    { name: "x", stepz: 3 },
  ])("refuses %o", (input) => {
    expect(processItem.input.safeParse(input).success).toBe(false);
  });

  it("reports each step after its pause, and greets its item", async () => {
    const ctx = fakeContext();
    const result = Promise.resolve(processItem.run({ name: "x", steps: 3, pause: 1_000 }, ctx));
    await vi.advanceTimersByTimeAsync(999);
    expect(ctx.reports.progress).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(ctx.reports.progress).toEqual([{ done: 1, total: 3 }]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ctx.reports.progress.map(({ done }) => done)).toEqual([1, 2, 3]);
    expect(await result).toEqual({ result: "Processed item x" });
  });

  it("stops in the middle of a pause, with the signal's reason and no timer left behind", async () => {
    const controller = new AbortController();
    const ctx = fakeContext({ signal: controller.signal });
    const result = Promise.resolve(processItem.run({ name: "x", steps: 30, pause: 1_000 }, ctx));
    const thrown = result.then(
      () => null,
      (error: unknown) => error,
    );
    await vi.advanceTimersByTimeAsync(1_500);
    const reason = new Error("cancelled");
    controller.abort(reason);
    expect(await thrown).toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
    expect(ctx.reports.progress).toHaveLength(1);
  });

  it("does not start where the signal is aborted already", async () => {
    const ctx = fakeContext({ signal: AbortSignal.abort(new Error("too late")) });
    await expect(processItem.run({ name: "x", steps: 1, pause: 0 }, ctx)).rejects.toThrow("too late");
    expect(ctx.reports.progress).toEqual([]);
  });
});
