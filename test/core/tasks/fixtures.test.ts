import { afterEach, describe, expect, it, vi } from "vitest";
import type { TaskContext } from "../../../src/core/task.ts";
import { DEFAULT_TIMEOUT_MS } from "../../../src/core/bounds.ts";
import { endingOf } from "../../../src/core/settle.ts";
import { fixtures } from "../../../src/app/fixtures/index.ts";
import { findTask } from "../../../src/engine/registry.ts";
import { fakeContext } from "./fake-context.ts";

function task(name: string) {
  const definition = findTask(name, { FIXTURES: "1" });
  if (!definition) throw new Error(`no fixture ${name}`);
  return definition;
}

/** Runs it as the worker does: both ends through their schemas. */
async function run(name: string, input?: unknown, ctx: TaskContext = fakeContext()): Promise<unknown> {
  const definition = task(name);
  return definition.output.parse(await definition.run(definition.input.parse(input), ctx));
}

async function failure(name: string, input: unknown, ctx?: TaskContext): Promise<unknown> {
  return run(name, input, ctx).then(
    () => expect.unreachable("it should have failed"),
    (error: unknown) => error,
  );
}

describe("fixture tasks", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("are all named test.*, and are cut by nothing but the default timeout", () => {
    for (const { name, timeoutMs } of fixtures)
      expect([name.slice(0, 5), timeoutMs]).toEqual(["test.", DEFAULT_TIMEOUT_MS]);
  });

  it.each<[string, unknown, unknown]>([
    ["test.noop", undefined, null],
    ["test.noop", { any: ["thing"] }, null],
    ["test.identity", { value: 7 }, 7],
    ["test.identity", { value: null }, null],
    ["test.identity", { value: { value: 1 } }, { value: 1 }],
    ["test.identity", { value: 1, other: 2 }, { value: 1, other: 2 }],
    ["test.identity", [1, 2], [1, 2]],
    ["test.identity", "x", "x"],
    ["test.identity", 0, 0],
    ["test.identity", undefined, null],
    ["test.add", { x: 1, y: 2 }, 3],
    ["test.sum", [], 0],
    ["test.sum", [1, 2, 3.5], 6.5],
    ["test.sum", { values: [1, -1] }, 0],
    ["test.big", { bytes: 3 }, "xxx"],
    ["test.big", { bytes: 0 }, ""],
    ["test.failTimes", { times: 0 }, 1],
    ["test.sleep", { ms: 0 }, "slept"],
    ["test.stubborn", { ms: 0 }, "slept"],
    ["test.spin", { ms: 0 }, "spun"],
  ])("%s turns %j into %j", async (name, input, output) => {
    expect(await run(name, input)).toEqual(output);
  });

  it.each<[string, unknown]>([
    ["test.add", { x: 1 }],
    ["test.add", { x: 1, y: "2" }],
    ["test.add", { x: 1, y: 2, z: 3 }],
    ["test.add", undefined],
    ["test.sum", ["1"]],
    ["test.sum", { values: [1], more: 1 }],
    ["test.fail", {}],
    ["test.fail", { message: "x", retryable: "no" }],
    ["test.failTimes", { times: -1 }],
    ["test.sleep", { ms: -1 }],
    ["test.sleep", { ms: 1, url: "x" }],
    ["test.sleep", {}],
    ["test.hook", { url: "here" }],
    ["test.progress", { steps: 1 }],
    ["test.output", { chunks: 1.5 }],
    ["test.log", { lines: "1" }],
    ["test.big", { bytes: 1e9 }],
  ])("%s does not take %j", (name, input) => {
    expect(task(name).input.safeParse(input).success).toBe(false);
  });

  it("test.fail may be retried, unless told otherwise", async () => {
    expect(endingOf(await failure("test.fail", { message: "boom" }))).toMatchObject({
      retryable: true,
      error: { type: "Error", message: "boom" },
    });
    expect(endingOf(await failure("test.fail", { message: "boom", retryable: false }))).toMatchObject({
      retryable: false,
      error: { type: "NonRetryableError", message: "boom" },
    });
  });

  it("test.failTimes throws until the attempts are over, then returns the attempt's number", async () => {
    for (const attempt of [1, 2]) {
      const error = await failure("test.failTimes", { times: 2 }, fakeContext({ attempt }));
      expect(endingOf(error)).toMatchObject({ retryable: true });
    }
    expect(await run("test.failTimes", { times: 2 }, fakeContext({ attempt: 3 }))).toBe(3);
    expect(await run("test.failTimes", { times: 2 }, fakeContext({ attempt: 7 }))).toBe(7);
  });

  it("test.sleep obeys its signal, and test.stubborn does not", async () => {
    vi.useFakeTimers();
    const controller = new AbortController();
    const ctx = fakeContext({ signal: controller.signal });
    const obedient = failure("test.sleep", { ms: 10_000 }, ctx);
    const woken = vi.fn();
    const deaf = run("test.stubborn", { ms: 10_000 }, ctx).finally(woken);
    await vi.advanceTimersByTimeAsync(1_000);
    const reason = new Error("cancelled");
    controller.abort(reason);
    expect(await obedient).toBe(reason);
    await vi.advanceTimersByTimeAsync(8_999);
    expect(woken).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await deaf).toBe("slept");
  });

  it("test.sleep sleeps as long as it was asked to", async () => {
    vi.useFakeTimers();
    const woken = vi.fn();
    const slept = run("test.sleep", { ms: 5_000 }).then(woken);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(woken).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await slept;
  });

  it("test.spin lets nothing else run", async () => {
    let timers = 0;
    const timer = setInterval(() => timers++, 1);
    const start = Date.now();
    const spun = run("test.spin", { ms: 30 });
    expect(Date.now() - start).toBeGreaterThanOrEqual(30);
    expect(timers).toBe(0);
    clearInterval(timer);
    expect(await spun).toBe("spun");
  });

  it("test.hook tells its test, on this machine too, and returns the body", async () => {
    const fetched = vi.spyOn(globalThis, "fetch").mockImplementation(() => Promise.resolve(new Response("ok")));
    const ctx = fakeContext({ id: "task_5", attempt: 2, env: {} as Env });
    expect(await run("test.hook", { url: "http://127.0.0.1:4000/hook", body: { a: 1 }, ms: 1 }, ctx)).toEqual({ a: 1 });
    expect(await run("test.hook", { url: "http://localhost:4000/hook" }, ctx)).toBeNull();
    const bodies = fetched.mock.calls.map(([, init]) => JSON.parse(init?.body as string) as unknown);
    expect(bodies).toEqual([
      { id: "task_5", attempt: 2, body: { a: 1 } },
      { id: "task_5", attempt: 2, body: null },
    ]);
    expect(fetched.mock.calls[0]?.[1]).toMatchObject({ method: "POST" });
    expect(endingOf(await failure("test.hook", { url: "http://10.0.0.1/" }, ctx))).toMatchObject({ retryable: false });
  });

  it("test.hook fails where its test does not answer well", async () => {
    vi.spyOn(globalThis, "fetch").mockImplementation(() => Promise.resolve(new Response("no", { status: 500 })));
    expect(await failure("test.hook", { url: "http://127.0.0.1:4000/" })).toMatchObject({
      message: "the hook answered 500",
    });
  });

  it("test.progress reports its steps, and stops when told to", async () => {
    const ctx = fakeContext();
    expect(await run("test.progress", { steps: 3, ms: 0 }, ctx)).toBe(3);
    expect(ctx.reports.progress).toEqual([1, 2, 3].map((done) => ({ done, total: 3 })));
    const stopped = fakeContext({ signal: AbortSignal.abort(new Error("cancelled")) });
    expect(await failure("test.progress", { steps: 3, ms: 0 }, stopped)).toMatchObject({ message: "cancelled" });
  });

  it("test.output and test.log fill the events", async () => {
    const ctx = fakeContext();
    await run("test.output", { chunks: 3 }, ctx);
    await run("test.log", { lines: 2 }, ctx);
    expect(ctx.reports.outputs).toEqual([1, 2, 3]);
    expect(ctx.reports.logs.map(({ message }) => message)).toEqual(["line 1", "line 2"]);
  });

  it("test.badOutput returns what it did not declare", async () => {
    const definition = task("test.badOutput");
    const returned = await definition.run(undefined, fakeContext());
    expect(definition.output.safeParse(returned).success).toBe(false);
  });

  it("test.context tells what the handler was told", async () => {
    const told = {
      id: "task_2",
      attempt: 4,
      parentId: "task_1",
      rootId: "task_0",
      flowId: "flow_1",
      tags: { customer: "42" },
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    expect(await run("test.context", undefined, fakeContext(told))).toEqual(told);
  });
});
