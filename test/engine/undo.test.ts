/** What an attempt that undoes steps makes of a handler: which steps, in which order, and each once, whichever call is cut off. */
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { TaskResource } from "../../src/contract/task.ts";
import type { TaskContext, TryOptions } from "../../src/core/task.ts";
import { NonRetryableError } from "../../src/core/errors.ts";
import { MAX_CRASHES } from "../../src/core/bounds.ts";
import { OBJECT } from "../../src/core/wake.ts";
import { progressObject } from "../../src/engine/events/tell.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import { noop } from "../../src/app/fixtures/values.ts";
import { AssembledWorker } from "./assembled-worker.ts";
import { DurableTask, type Handler } from "./durable-task.ts";
import { passTime, realTime } from "./passing-time.ts";

beforeAll(passTime);
afterAll(realTime);

const failed = { outcome: "failed", retryable: false };
const undone = { outcome: "undone", failures: [] };

/** Steps that leave their names behind, and `-` before it when they are undone. */
function effects() {
  const done: string[] = [];
  return {
    done,
    step: (ctx: TaskContext, name: string, options: TryOptions & { undo?: (name: string) => unknown } = {}) =>
      ctx.step(
        name,
        () => {
          done.push(name);
          return name;
        },
        {
          ...options,
          undo: (result) => {
            done.push(`-${result}`);
            return options.undo?.(result);
          },
        },
      ),
  };
}

function fail(): never {
  throw new NonRetryableError("no");
}

/** Runs the attempts of a task that fails at once: the one that fails, and the one that undoes. */
async function failAndUndo(handler: Handler) {
  const task = await DurableTask.store(handler);
  expect(await task.attempt()).toMatchObject(failed);
  expect(await task.row()).toMatchObject({ state: "queued", error: null });
  const ending = await task.attempt();
  expect(await task.row()).toMatchObject({ state: "failed", undo: null });
  return ending;
}

describe("the order of undoing", () => {
  it("is that of the ends, the last one first, whatever began first", async () => {
    const did = effects();
    const slow = async (ctx: TaskContext) =>
      ctx.step("slow", () => scheduler.wait(50), { undo: () => void did.done.push("-slow") });
    const ending = await failAndUndo(async (ctx) => {
      await Promise.all([slow(ctx), did.step(ctx, "quick")]);
      fail();
    });
    expect(ending).toMatchObject(undone);
    expect(did.done).toEqual(["quick", "-slow", "-quick"]);
  });

  it("reaches back over waits, and knows the results of signals and children", async () => {
    const did = effects();
    const task = await DurableTask.store(async (ctx) => {
      await did.step(ctx, "before");
      await ctx.sleep("1h");
      const name = await ctx.waitForSignal<string>("name");
      await did.step(ctx, name);
      fail();
    });
    await task.attempt();
    await task.send("name", "told");
    expect(await task.attempt()).toMatchObject(failed);
    expect(await task.attempt()).toMatchObject(undone);
    expect(did.done).toEqual(["before", "told", "-told", "-before"]);
  });

  it("takes the way that the handler took, also behind a failure that it caught", async () => {
    const did = effects();
    const ending = await failAndUndo(async (ctx) => {
      await ctx.step("fails", fail).catch(() => did.step(ctx, "instead"));
      fail();
    });
    expect(ending).toMatchObject(undone);
    expect(did.done).toEqual(["instead", "-instead"]);
  });
});

describe("a task whose worker is lost too often", () => {
  it("undoes what it had done before, and tells why it has failed", async () => {
    const did = effects();
    const task = await DurableTask.store(async (ctx) => {
      await did.step(ctx, "a");
      await ctx.sleep("1h");
    });
    await task.attempt();
    for (let crashes = 0; crashes < MAX_CRASHES; crashes++) await task.end(await task.claim(), { outcome: "crashed" });
    expect(await task.row()).toMatchObject({ state: "queued", crashes: 0 });
    expect(await task.attempt()).toMatchObject(undone);
    expect(did.done).toEqual(["a", "-a"]);
    const { state, error } = await task.row();
    expect([state, JSON.parse(error!)]).toMatchObject(["failed", { type: "worker_lost" }]);
  });
});

describe("an attempt that is out of time", () => {
  it("is waited for a little once it has steps to undo: what a deaf step did is known, and undone", async () => {
    const did = effects();
    const run = vi.spyOn(noop, "run").mockImplementation(async (_: unknown, ctx: TaskContext) => {
      await did.step(ctx, "quick");
      await ctx.step("deaf", () => scheduler.wait(3_600), { undo: () => void did.done.push("-deaf") });
      return null;
    });
    const worker = new AssembledWorker();
    const body = { task: "test.noop", options: { timeout: "3s", maxAttempts: 1 } };
    const { id } = await (await worker.fetch("/v1/tasks", { body })).json<{ id: string }>();
    const first = worker.deliver();
    // At once, as soon as it is queued for the undoing.
    await expect.poll(() => worker.queued.length, { interval: 5 }).toBe(1);
    await Promise.all([first, worker.deliver()]);
    run.mockRestore();
    const task = await (await worker.fetch(`/v1/tasks/${id}`)).json<TaskResource>();
    expect(task).toMatchObject({ state: "failed", error: { type: "timeout" } });
    expect(task.attempts?.map((attempt) => attempt.outcome)).toEqual(["timeout", "undone"]);
    expect(did.done).toEqual(["quick", "-deaf", "-quick"]);
  });
});

describe("undoing", () => {
  it("begins nothing that was not begun before", async () => {
    const did = effects();
    const task = await DurableTask.store(async (ctx) => {
      await did.step(ctx, "a");
      await ctx.sleep("1h");
      await did.step(ctx, "b");
    });
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    await cancelTasks(env.DB, [task.id], null, Date.now(), true);
    expect(await task.attempt()).toMatchObject(undone);
    expect(await task.row()).toMatchObject({ state: "cancelled" });
    expect(did.done).toEqual(["a", "-a"]);
  });

  it("comes to all branches of a handler, though one of them has failed", async () => {
    const did = effects();
    const late = async (ctx: TaskContext) => {
      await scheduler.wait(100);
      await did.step(ctx, "late");
    };
    const ending = await failAndUndo(async (ctx) => {
      const [first] = await Promise.allSettled([did.step(ctx, "first").then(fail), late(ctx)]);
      if (first.status === "rejected") throw first.reason;
    });
    expect(ending).toMatchObject(undone);
    expect(did.done).toEqual(["first", "late", "-late", "-first"]);
  });

  it("does nothing twice that it has done before it was cut off, and remembers what failed", async () => {
    const did = effects();
    const no = () => {
      throw new Error("not this one");
    };
    const task = await DurableTask.store(async (ctx) => {
      for (const name of ["a", "b", "c"]) await did.step(ctx, name, name === "b" ? { undo: no } : {});
      fail();
    });
    await task.attempt();
    const claimed = await task.claim();
    const before = await task.run(claimed);
    // Its worker dies before the commit.
    await task.end(claimed, { outcome: "crashed" });
    const after = await task.attempt();
    expect(after).toEqual(before);
    expect(after).toMatchObject({ outcome: "undone", failures: [{ step: "b", error: { message: "not this one" } }] });
    const journal = await progressObject(env, task.id).steps();
    expect(JSON.stringify(journal)).toContain("not this one");
    expect(JSON.stringify(journal)).not.toContain("stack");
    expect(did.done).toEqual(["a", "b", "c", "-c", "-b", "-a"]);
  });

  it("tries again as often as the step may", async () => {
    const did = effects();
    let failures = 0;
    const undo = () => {
      if (++failures < 3) throw new Error("not yet");
    };
    const retry = { base: 1 };
    const ending = await failAndUndo(async (ctx) => {
      await did.step(ctx, "a", { undo, maxAttempts: 3, retry });
      fail();
    });
    expect(ending).toMatchObject(undone);
    expect(did.done).toEqual(["a", "-a", "-a", "-a"]);
  });

  it("tells of steps to which a changed handler does not come any more, and undoes the others", async () => {
    const did = effects();
    const task = await DurableTask.store(async (ctx) => {
      for (const name of ["a", "b", "b"]) await did.step(ctx, name);
      fail();
    });
    await task.attempt();
    const ending = await task.attempt(async (ctx) => {
      await did.step(ctx, "a");
      await did.step(ctx, "b");
    });
    expect(ending).toMatchObject({ failures: [{ step: "b#2", error: { type: "UndoUnknownError" } }] });
    expect(did.done).toEqual(["a", "b", "b", "-b", "-a"]);
  });

  it("tries again where the handler failed before it came to every step, and tells in the end", async () => {
    const did = effects();
    let down = 1;
    const handler: Handler = async (ctx) => {
      await did.step(ctx, "a");
      if (ctx.attempt > 1 && down-- > 0) throw new NonRetryableError("what it needs is down");
      await did.step(ctx, "b");
      fail();
    };
    const task = await DurableTask.store(handler);
    await task.attempt();
    expect(await task.attempt()).toMatchObject({ outcome: "failed", retryable: true });
    expect(await task.row()).toMatchObject({ state: "retrying", crashes: 1 });
    expect(await task.attempt()).toMatchObject(undone);
    expect(did.done).toEqual(["a", "b", "-b", "-a"]);

    down = Infinity;
    const other = await DurableTask.store(handler);
    await other.attempt();
    for (let n = 1; n < MAX_CRASHES; n++) expect(await other.attempt()).toMatchObject({ outcome: "failed" });
    expect(await other.attempt()).toMatchObject({ failures: [{ step: "b", error: { type: "UndoUnknownError" } }] });
    expect(did.done).toEqual(["a", "b", "-b", "-a", "a", "b", "-a"]);
  });

  it("refuses an undo function that would wait for something durable", async () => {
    const did = effects();
    const ending = await failAndUndo(async (ctx) => {
      await did.step(ctx, "a", { undo: () => ctx.step("more", () => null) });
      fail();
    });
    expect(ending).toMatchObject({ failures: [{ step: "a", error: { type: "NonRetryableError" } }] });
  });

  it("is no matter of a task whose steps say nothing of it", async () => {
    const task = await DurableTask.store(async (ctx) => {
      await ctx.step("a", () => 1);
      fail();
    });
    expect(await task.attempt()).toMatchObject(failed);
    expect(await task.row()).toMatchObject({ state: "failed", attempt: 1, object: OBJECT.used });
  });
});
