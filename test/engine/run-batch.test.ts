/** What a batch's handler hears while it runs: each task's own stop, and the end of all. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { z } from "zod";
import type { BatchContext, TaskDefinition } from "../../src/core/task.ts";
import { defineTask } from "../../src/core/define-task.ts";
import type { AttemptAborted } from "../../src/core/errors.ts";
import { claimTasks, type ClaimedTask } from "../../src/results/claim-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { attemptOf, type Attempt } from "../../src/worker/attempt.ts";
import { AttemptControl } from "../../src/worker/control.ts";
import { runBatch } from "../../src/worker/run-batch.ts";
import { newTask, newTenant } from "./webhook-tasks.ts";

async function claimed(inputs: unknown[]): Promise<ClaimedTask[]> {
  const tenant = newTenant();
  const tasks = inputs.map((input) => ({ ...newTask(tenant), input: JSON.stringify(input) }));
  await insertTasks(env.DB, tasks);
  const ids = tasks.map((task) => task.id);
  const claim = await claimTasks(env.DB, ids, crypto.randomUUID(), Date.now());
  return ids.map((id) => claim.claimed.find((task) => task.id === id)!);
}

/** Attempts of these tasks, whatever they are called, with this handler. */
function attemptsOf(definition: TaskDefinition, tasks: ClaimedTask[], controls: AttemptControl[] = []): Attempt[] {
  return tasks.map((task, i) => {
    const attempt = attemptOf(env, task);
    return { ...attempt, definition, control: controls[i] ?? attempt.control };
  });
}

const define = (run: (inputs: number[], ctx: BatchContext) => Promise<(number | Error)[]>) =>
  defineTask({ name: "batched", input: z.number(), output: z.number(), batch: { size: 10, wait: "1s" }, run });

const stopOf = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });

it("tells each task's stop to it alone, and the whole call when the last of them is to stop", async () => {
  const controls = [new AttemptControl(0), new AttemptControl(0), new AttemptControl(0)];
  const heard: unknown[] = [];
  const handler = define(async (inputs, { items, signal }) => {
    const now = () => [signal.aborted, ...items.map((item) => item.signal.aborted)];
    controls[1]!.stop({ cause: "cancelled", message: "the task was cancelled" });
    await stopOf(items[1]!.signal);
    heard.push(now());
    controls[0]!.stop({ cause: "timeout", message: "too long" });
    controls[2]!.stop({ cause: "cancelled", message: "the task was cancelled" });
    await stopOf(signal);
    heard.push(
      now(),
      items.map((item) => (item.signal.reason as AttemptAborted).cause),
    );
    return inputs;
  });
  const tasks = await claimed([1, 2, 3]);
  const ran = await runBatch(env, attemptsOf(handler, tasks, controls));
  expect(heard).toEqual([
    [false, false, true, false],
    [true, true, true, true],
    ["timeout", "cancelled", "cancelled"],
  ]);
  expect(ran.map((each) => each.ending)).toEqual([1, 2, 3].map((n) => ({ outcome: "succeeded", result: String(n) })));
});

it("leaves out items that the schema does not take any more, and does not wait for them", async () => {
  const controls = [new AttemptControl(0), new AttemptControl(0)];
  const tasks = await claimed(["not a number", 2]);
  const handler = define(async (inputs, { items, signal }) => {
    expect(items.map((item) => item.id)).toEqual([tasks[1]!.id]);
    controls[1]!.stop({ cause: "cancelled", message: "the task was cancelled" });
    await stopOf(signal);
    return inputs;
  });
  const ran = await runBatch(env, attemptsOf(handler, tasks, controls));
  expect(ran.map(({ ending }) => ("error" in ending ? ending.error.type : ending.outcome))).toEqual([
    "InvalidInputError",
    "succeeded",
  ]);
});

it("fails those whose results do not fit into one answer with the others", async () => {
  const inputs = Array.from({ length: 14 }, (_, n) => n);
  const large = defineTask({
    name: "large",
    input: z.number(),
    output: z.string(),
    batch: { size: 14, wait: "1s" },
    run: (all) => all.map((n) => (n === 13 ? "small" : "x".repeat(999_000))),
  });
  const ran = await runBatch(env, attemptsOf(large, await claimed(inputs)));
  const outcomes = ran.map(({ ending }) => ("error" in ending ? ending.error.type : ending.outcome));
  expect(outcomes).toEqual(inputs.map((n) => (n === 12 ? "ResultTooLargeError" : "succeeded")));
});

it("fails only the one whose result makes the schema throw", async () => {
  const choosy = defineTask({
    name: "choosy",
    input: z.number(),
    output: z.number().refine((n) => {
      if (n === 2) throw new Error("no two");
      return true;
    }),
    batch: { size: 3, wait: "1s" },
    run: (inputs) => inputs,
  });
  const ran = await runBatch(env, attemptsOf(choosy, await claimed([1, 2, 3])));
  expect(ran.map(({ ending }) => ("error" in ending ? ending.error.message : ending.outcome))).toEqual([
    "succeeded",
    "no two",
    "succeeded",
  ]);
});
