/** A handler that is not what it was when its task began: it is found out, and never gives a wrong result. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskContext } from "../../src/core/task.ts";
import { DurableTask, effects, type Handler } from "./durable-task.ts";
import { passTime, realTime } from "./passing-time.ts";

beforeAll(passTime);
afterAll(realTime);

/** Does these steps one after the other, then naps. */
const inOrder =
  (did: ReturnType<typeof effects>, ...names: string[]): Handler =>
  async (ctx) => {
    const results: string[] = [];
    for (const name of names) results.push(await did.step(ctx, name));
    await ctx.sleep("1h");
    return results;
  };

const mismatch = (...named: string[]) => ({
  outcome: "failed",
  retryable: false,
  error: { type: "StepMismatchError", message: expect.stringMatching(named.join(".*")) as string },
});

describe("a handler that has changed while its task was under way", () => {
  it.each([
    ["calls a step by another name", ["a", "renamed", "c"], "step:b#1 before step:renamed#1"],
    ["does steps in another order", ["b", "a", "c"], "step:a#1 before step:b#1"],
    ["does one more step before the others", ["new", "a", "b", "c"], "step:a#1 before step:new#1"],
    ["leaves a step out", ["a", "c"], "step:b#1 before step:c#1"],
  ])("fails for good where it %s, and says at which step", async (_, names, said) => {
    const did = effects();
    const task = await DurableTask.store(inOrder(did, "a", "b", "c"));
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    expect(await task.attempt(inOrder(did, ...names))).toMatchObject(mismatch(said));
    expect(did.done).toEqual(["a", "b", "c"]);
    expect(await task.row()).toMatchObject({ state: "failed" });
  });

  it("fails where it spawns another number of children", async () => {
    const children = (n: number) => async (ctx: TaskContext) =>
      ctx.callAll(
        "test.identity",
        Array.from({ length: n }, () => 1),
      );
    const task = await DurableTask.store(children(3));
    expect(await task.attempt()).toMatchObject({ outcome: "suspended", wait: { type: "tasks" } });
    expect(await task.attempt(children(2))).toMatchObject(mismatch("3 of test.identity", "2"));
  });

  it("goes on where steps were only added behind those that are done", async () => {
    const did = effects();
    const task = await DurableTask.store(inOrder(did, "a"));
    await task.attempt();
    const more: Handler = async (ctx) => {
      await inOrder(did, "a")(ctx);
      return did.step(ctx, "b");
    };
    await task.attempt(more);
    expect(did.done).toEqual(["a", "b"]);
  });
});

describe("a handler that has not changed", () => {
  it("finds its way again through branches side by side, whatever they do between their steps", async () => {
    const did = effects();
    const branch = async (ctx: TaskContext, name: string, count: number, pauseMs: number) => {
      const results: string[] = [];
      for (let n = 1; n <= count; n++) {
        // The journal knows nothing of this; every attempt does it again.
        await scheduler.wait(pauseMs);
        results.push(await did.step(ctx, `${name}${n}`));
      }
      return results;
    };
    const handler: Handler = async (ctx) => {
      const results = await Promise.all([branch(ctx, "a", 2, 30), branch(ctx, "b", 5, 10), branch(ctx, "c", 3, 0)]);
      await ctx.sleep("1h");
      return results;
    };
    const task = await DurableTask.store(handler);
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    const ending = await task.attempt();
    expect(ending.outcome === "succeeded" ? JSON.parse(ending.result) : ending).toEqual([
      ["a1", "a2"],
      ["b1", "b2", "b3", "b4", "b5"],
      ["c1", "c2", "c3"],
    ]);
    expect(did.done.toSorted()).toEqual(["a1", "a2", "b1", "b2", "b3", "b4", "b5", "c1", "c2", "c3"]);
  });

  it("gives a hundred steps side by side again, each its own result", async () => {
    let ran = 0;
    const handler: Handler = async (ctx) => {
      const results = await Promise.all(Array.from({ length: 100 }, (_, n) => ctx.step(`s${n}`, () => (ran++, n))));
      await ctx.sleep("1h");
      return results;
    };
    const task = await DurableTask.store(handler);
    await task.attempt();
    expect(await task.attempt()).toMatchObject({ result: JSON.stringify(Array.from({ length: 100 }, (_, n) => n)) });
    expect(ran).toBe(100);
  });

  it("has a race won by the one that won it before, also where the loser has ended since", async () => {
    const won: string[] = [];
    const handler: Handler = async (ctx) => {
      const winner = await Promise.race([ctx.waitForSignal<string>("go"), ctx.sleep(0).then(() => "the sleep")]);
      won.push(winner);
      await ctx.step(`after ${winner}`, () => null);
      await ctx.sleep("1h");
      return winner;
    };
    const task = await DurableTask.store(handler);
    await task.attempt();
    // The next attempt finds it, and takes it, and sleeps on; the one after it finds both at hand.
    await task.send("go", "the signal");
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    expect(await task.attempt()).toMatchObject({ outcome: "succeeded", result: '"the sleep"' });
    expect(won).toEqual(["the sleep", "the sleep", "the sleep"]);
  });

  it("has a race won by a signal again also where the sleep beside it is over since", async () => {
    const won: string[] = [];
    const handler: Handler = async (ctx) => {
      const signal = ctx.waitForSignal<string>("go");
      // Its way to the race is longer than that of the sleep.
      const slowly = signal.then((word) => word).then((word) => word);
      const winner = (await Promise.race([ctx.sleep("1m"), slowly])) ?? "the sleep";
      won.push(winner);
      for (let n = 0; n < 2; n++) await ctx.sleep("1h");
      return winner;
    };
    const task = await DurableTask.store(handler);
    await task.attempt();
    await task.send("go", "the signal");
    let ending = await task.attempt();
    while (ending.outcome === "suspended") ending = await task.attempt();
    expect(ending).toMatchObject({ outcome: "succeeded", result: '"the signal"' });
    expect(won.length).toBeGreaterThanOrEqual(3);
    expect(new Set(won)).toEqual(new Set(["the signal"]));
  });

  it("takes the same way again after a failure that it has caught", async () => {
    const did = effects();
    const handler: Handler = async (ctx) => {
      const paid = await ctx
        .step("card", () => {
          did.done.push("card");
          throw new RangeError("declined");
        })
        .catch((error: Error) => did.step(ctx, `not by card: ${error.name} ${error.message}`));
      await ctx.sleep("1h");
      return paid;
    };
    const task = await DurableTask.store(handler);
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    expect(await task.attempt()).toMatchObject({ result: '"not by card: RangeError declined"' });
    expect(did.done).toEqual(["card", "not by card: RangeError declined"]);
  });

  it("tries a step again that its attempt has failed with, and takes another way if it likes", async () => {
    const did = effects();
    let fails = true;
    const handler: Handler = async (ctx) => {
      const mood = await did
        .step(ctx, "first")
        .then(() =>
          ctx.step("shaky", () => {
            did.done.push("shaky");
            if (fails) throw new Error("no");
            return "well";
          }),
        )
        .catch(() => did.step(ctx, "comfort"));
      if (fails) throw new Error("the attempt fails");
      await ctx.sleep("1h");
      return mood;
    };
    const task = await DurableTask.store(handler);
    expect(await task.attempt()).toMatchObject({ outcome: "failed", retryable: true });
    fails = false;
    expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    expect(await task.attempt()).toMatchObject({ outcome: "succeeded", result: '"well"' });
    expect(did.done).toEqual(["first", "shaky", "comfort", "shaky"]);
  });

  it("polls with naps in between", async () => {
    let polls = 0;
    const handler: Handler = async (ctx) => {
      for (;;) {
        const found = await ctx
          .step("poll", () => {
            if (++polls < 4) throw new Error("not yet");
            return polls;
          })
          .catch(() => null);
        if (found !== null) return found;
        await ctx.sleep("1m");
      }
    };
    const task = await DurableTask.store(handler);
    for (let n = 1; n <= 3; n++) expect(await task.attempt()).toMatchObject({ outcome: "suspended" });
    expect(await task.attempt()).toMatchObject({ outcome: "succeeded", result: "4" });
    expect(polls).toBe(4);
  });
});
