import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineTask, type TaskOptions } from "../../src/core/define-task.ts";

type Options = Partial<TaskOptions<string, z.ZodAny, z.ZodAny>>;

function define(options: Options) {
  return defineTask({ name: "x", input: z.any(), output: z.any(), run: () => null, ...options });
}

describe("defineTask", () => {
  it("fills in what is left out, in milliseconds", () => {
    expect(define({})).toMatchObject({
      lane: "default",
      maxAttempts: 3,
      timeoutMs: 25_000,
      softTimeoutMs: null,
      retentionMs: 7 * 86_400_000,
      leaseMs: null,
      retry: {},
    });
    expect(define({ timeout: "14m", softTimeout: "10m", retention: "1s", lease: "2m" })).toMatchObject({
      timeoutMs: 840_000,
      softTimeoutMs: 600_000,
      retentionMs: 1_000,
      leaseMs: 120_000,
    });
  });

  it.each<[string, Options]>([
    ["a name with a space", { name: "a b" }],
    ["no schema of its input", { input: undefined as never }],
    ["no schema of its result", { output: { type: "string" } as never }],
    ["no handler", { run: undefined as never }],
    ["a lane that does not exist", { lane: "fast" as "high" }],
    ["no attempt at all", { maxAttempts: 0 }],
    ["more attempts than are kept", { maxAttempts: 101 }],
    ["a timeout that no attempt may have", { timeout: "841s" }],
    ["a soft timeout behind the hard one", { timeout: "1m", softTimeout: "61s" }],
    ["a retention of more than a year", { retention: "366d" }],
    ["a lease below a second", { lease: 10 }],
    ["a duration that is none", { timeout: "soon" as "1s" }],
    ["a retry base that is no duration", { retry: { base: "soon" as "1s" } }],
    ["a retry factor that grows beyond all numbers", { retry: { factor: 1e300 } }],
    ["a retry member that does not exist", { retry: { tries: 3 } as object }],
  ])("refuses %s at once", (_, options) => {
    expect(() => define(options)).toThrow(RangeError);
  });

  it("keeps `this` for a handler that was written as a method", async () => {
    const task = defineTask({
      name: "x",
      input: z.any(),
      output: z.string(),
      description: "me",
      run() {
        return (this as unknown as { description: string }).description;
      },
    });
    expect(await task.run(null, null as never)).toBe("me");
  });
});
