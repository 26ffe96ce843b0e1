/** What is told of the steps of a durable task, and what of them can be read. */
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { TaskContext } from "../../src/core/task.ts";
import type { StepNews } from "../../src/core/journal.ts";
import type { AskedSignal } from "../../src/core/settle.ts";
import { listWaits, type WaitRow } from "../../src/results/waits.ts";
import { NonRetryableError } from "../../src/core/errors.ts";
import { retry } from "../../src/engine/retry.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import { quietEnv } from "./webhook-tasks.ts";
import { findStep, readSteps } from "../../src/engine/events/steps.ts";
import { listEvents } from "../../src/engine/events/follow.ts";
import { deleteEnded } from "../../src/engine/delete.ts";
import { jumpTo, passTime, realTime } from "./passing-time.ts";
import { DurableTask, effects, type Handler } from "./durable-task.ts";

beforeAll(passTime);
afterAll(realTime);

const newsOf = async (task: DurableTask) =>
  (await listEvents(env, await task.row(), 0))
    .filter(({ type }) => type === "step")
    .map(({ data }) => data as StepNews);

const phasesOf = async (task: DurableTask) =>
  (await newsOf(task)).map(({ kind, name, phase, attempt }) => `${kind} ${name} ${phase} in ${attempt}`);

const stepsOf = async (task: DurableTask) => (await readSteps(env, await task.row())).map(({ step }) => step);

const summaryOf = async (task: DurableTask) =>
  (await stepsOf(task)).map(
    ({ kind, name, attempt, finishedAt }) => `${kind} ${name} ${attempt} ${finishedAt !== null}`,
  );

const everything =
  (did: ReturnType<typeof effects>): Handler =>
  async (ctx: TaskContext) => {
    await did.step(ctx, "a");
    await did.step(ctx, "a");
    await ctx.sleep("1h");
    await ctx.waitForSignal("go", { schema: z.object({ ok: z.boolean() }) });
    await ctx.call("test.noop", null).catch(() => null);
    return did.step(ctx, "b");
  };

describe("a wait for a signal", () => {
  const waitsOf = async (tenant: string) => {
    const rows: WaitRow[] = [];
    for (let more = true; more;) {
      const found = await listWaits(env.DB, tenant, rows.at(-1) ?? null, 1);
      more = found.length > 1;
      rows.push(...found.slice(0, 1));
    }
    return rows;
  };

  it("is listed for its tenant with the schema of its body, page by page, until it is over", async () => {
    const both = await DurableTask.store((ctx) =>
      Promise.race([
        ctx.waitForSignal("approve", { schema: z.strictObject({ ok: z.boolean() }), timeout: "2h" }),
        ctx.waitForSignal("refuse"),
      ]),
    );
    const other = await DurableTask.store((ctx) => ctx.waitForSignal("other"));
    await DurableTask.store((ctx) => ctx.sleep("1d")).then((task) => task.attempt());
    const before = Date.now();
    await both.attempt();
    await other.attempt();
    const { tenant } = await both.row();
    const waits = await waitsOf(tenant);
    expect(waits.map(({ taskId, name, place }) => [taskId, name, place])).toEqual([
      [both.id, "approve", 0],
      [both.id, "refuse", 1],
    ]);
    const [approve, refuse] = waits.map(({ asked }) => JSON.parse(asked!) as AskedSignal);
    expect(approve).toMatchObject({ schema: { type: "object", required: ["ok"], additionalProperties: false } });
    expect(approve!.since).toBeGreaterThanOrEqual(before);
    expect(approve!.until! - approve!.since).toBeGreaterThanOrEqual(2 * 3_600_000);
    expect(refuse).toMatchObject({ schema: null, until: null });
    expect((await both.row()).waitingFor).toContain('"signals":["approve","refuse"]');

    // As release 0.2.0 wrote it.
    await env.DB.prepare("UPDATE tasks SET waiting_for = json_remove(waiting_for, '$.asked') WHERE id = ?1")
      .bind(both.id)
      .run();
    expect(await waitsOf(tenant)).toMatchObject([{ asked: null, name: "approve" }, { name: "refuse" }]);
    await both.send("refuse", null);
    expect(await waitsOf(tenant)).toEqual([]);
  });
});

describe("the steps of a task", () => {
  it("are told once each, with their sleeps, signals and children, and can be read", async () => {
    const task = await DurableTask.store(everything(effects()));
    await task.attempt();
    expect(await summaryOf(task)).toEqual(["step a 1 true", "step a#2 1 true", "sleep sleep 1 false"]);
    await evictDurableObject(env.PROGRESS.getByName(task.id));
    await task.attempt();
    expect(await summaryOf(task)).toContain("signal go 2 false");
    await task.send("go", { ok: true });
    await task.attempt();
    const child = (await stepsOf(task)).at(-1)!;
    expect(child).toMatchObject({ kind: "child", name: "test.noop", finishedAt: null, error: null });
    await env.DB.prepare('UPDATE tasks SET state = \'failed\', error = \'{"type":"E","message":"no"}\' WHERE id = ?1')
      .bind(child.taskIds![0])
      .run();
    await task.attempt();
    expect(await phasesOf(task)).toEqual([
      "step a started in 1",
      "step a finished in 1",
      "step a#2 started in 1",
      "step a#2 finished in 1",
      "sleep sleep started in 1",
      "sleep sleep finished in 2",
      "signal go started in 2",
      "signal go finished in 3",
      "child test.noop started in 3",
      "child test.noop failed in 4",
      "step b started in 4",
      "step b finished in 4",
    ]);
    const steps = await stepsOf(task);
    expect(steps.map(({ name }) => name)).toEqual(["a", "a#2", "sleep", "go", "test.noop", "b"]);
    for (const { startedAt, finishedAt } of steps) expect(finishedAt! >= startedAt!).toBe(true);
    expect(steps[4]).toMatchObject({ error: { type: "ChildFailedError" } });
    // An hour passed in the sleep alone.
    expect(Date.parse(steps[2]!.finishedAt!) - Date.parse(steps[2]!.startedAt!)).toBeGreaterThanOrEqual(3_600_000);
    const numbers = (await task.events()).map(({ seq }) => seq);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  });

  it("tell of a failure, and of the next try", async () => {
    let fails = true;
    const task = await DurableTask.store(async (ctx) =>
      ctx.step("shaky", () => {
        if (fails) throw new RangeError("no");
      }),
    );
    await task.attempt();
    expect(await stepsOf(task)).toMatchObject([{ name: "shaky", error: { type: "RangeError", message: "no" } }]);
    fails = false;
    await task.attempt();
    expect(await phasesOf(task)).toEqual([
      "step shaky started in 1",
      "step shaky failed in 1",
      "step shaky started in 2",
      "step shaky finished in 2",
    ]);
    expect(await stepsOf(task)).toMatchObject([{ name: "shaky", attempt: 2, error: null }]);
  });

  it("that last are told while they run, and once", async () => {
    const goOn = Promise.withResolvers<void>();
    const task = await DurableTask.store(async (ctx) => ctx.step("long", () => goOn.promise));
    const running = task.attempt();
    await expect.poll(() => phasesOf(task), { timeout: 20_000 }).toEqual(["step long started in 1"]);
    expect(await stepsOf(task)).toMatchObject([{ name: "long", finishedAt: null }]);
    goOn.resolve();
    await running;
    expect(await phasesOf(task)).toEqual(["step long started in 1", "step long finished in 1"]);
    expect(await summaryOf(task)).toEqual(["step long 1 true"]);
  });

  it("are told once where answers are lost", async () => {
    let losing = true;
    const task = await DurableTask.store(async (ctx) => void (await ctx.step("a", () => 1)), {
      isSilent: (call) => losing && call === "writeJournal" && ((losing = false), "after"),
    });
    await task.attempt();
    expect(await phasesOf(task)).toEqual(["step a started in 1", "step a finished in 1"]);
  });

  it("are not told by an attempt that is over, nor behind the end", async () => {
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const task = await DurableTask.store(async (ctx) => {
      await ctx.step("a", () => 1);
      begun.resolve();
      await goOn.promise;
      await ctx.step("b", () => 2);
    });
    const claimed = await task.claim();
    const late = task.run(claimed);
    await begun.promise;
    await task.end(claimed, { outcome: "failed", error: { type: "E", message: "no" }, retryable: false });
    await listEvents(env, await task.row(), 0);
    goOn.resolve();
    await late;
    expect(await phasesOf(task)).toEqual(["step a started in 1", "step a finished in 1"]);
    expect((await task.events()).at(-1)?.type).toBe("done");
  });

  it("are read as long as the task is there, and events for an hour", async () => {
    const task = await DurableTask.store(async (ctx) => void (await ctx.step("a", () => 1)));
    await task.attempt();
    await listEvents(env, await task.row(), 0);
    jumpTo(Date.now() + 2 * 3_600_000);
    const stub = env.PROGRESS.getByName(task.id);
    await runDurableObjectAlarm(stub);
    expect(await task.events()).toEqual([]);
    expect(await summaryOf(task)).toEqual(["step a 1 true"]);
    const row = await task.row();
    expect(await deleteEnded(env, [task.id])).toBe(1);
    expect(await readSteps(env, row)).toEqual([]);
  });
});

describe("a retry from a step", () => {
  const background = { waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined) };

  const retryFrom = async (task: DurableTask, name: string) => {
    const from = await findStep(env, await task.row(), name);
    return retry(quietEnv(), background, [task.id], null, Date.now(), null, from);
  };

  it("keeps what had ended before it, over a crash too, and does the rest again", async () => {
    const did = effects();
    let fails = true;
    const task = await DurableTask.store(async (ctx) => {
      const results = [await did.step(ctx, "a")];
      await ctx.sleep(0);
      results.push(await did.step(ctx, "b"), await did.step(ctx, "b"));
      if (fails) throw new NonRetryableError("no");
      return [...results, await did.step(ctx, "c")];
    });
    await task.attempt();
    expect(await task.row()).toMatchObject({ state: "failed" });
    expect(await retryFrom(task, "b#2")).toEqual([task.id]);
    const first = await task.claim();
    await task.run(first, async () => Promise.reject(new Error("lost")));
    await task.end(first, { outcome: "crashed" });
    fails = false;
    expect(await task.attempt()).toMatchObject({ outcome: "succeeded", result: '["a","b","b","c"]' });
    expect(did.done).toEqual(["a", "b", "b", "b", "c"]);
    expect((await stepsOf(task)).map(({ name, attempt }) => `${name} ${attempt}`)).toEqual([
      "a 1",
      "sleep 1",
      "b 1",
      "b#2 3",
      "c 3",
    ]);
  });

  it("does not hold for the run after it", async () => {
    const did = effects();
    const task = await DurableTask.store(async (ctx) => {
      await did.step(ctx, "a");
      await did.step(ctx, "b");
      throw new NonRetryableError("no");
    });
    await task.attempt();
    await retryFrom(task, "b");
    await task.attempt();
    await retry(quietEnv(), background, [task.id], null, Date.now());
    await task.attempt();
    expect(did.done).toEqual(["a", "b", "b", "a", "b"]);
  });

  it("is refused in words where the step is unknown, or the run is not the one that was read", async () => {
    const task = await DurableTask.store(async (ctx) => {
      await ctx.step("charge", () => 1);
      throw new NonRetryableError("no");
    });
    await task.attempt();
    await expect(findStep(env, await task.row(), "chrage")).rejects.toMatchObject({
      problem: {
        name: "invalid-body",
        errors: [{ pointer: "/from", detail: "no step has this name; did you mean charge?" }],
      },
    });
    const from = await findStep(env, await task.row(), "charge");
    const stale = { ...from, run: from.run - 1 };
    expect(await retry(quietEnv(), background, [task.id], null, Date.now(), null, stale)).toEqual([]);
  });

  it("keeps no step that was undone, and has those undone that it keeps", async () => {
    const did: string[] = [];
    const handler: Handler = async (ctx) => {
      await ctx.step("a", () => 1, { undo: () => void did.push("undo a") });
      await ctx.step("b", () => 2);
      await ctx.sleep("1h");
      throw new NonRetryableError("no");
    };
    const task = await DurableTask.store(handler);
    await task.attempt();
    await cancelTasks(env.DB, [task.id], null, Date.now());
    await retryFrom(task, "b");
    await task.attempt();
    await task.attempt();
    expect(await task.row()).toMatchObject({ state: "queued" });
    await task.attempt();
    expect(await task.row()).toMatchObject({ state: "failed" });
    expect(did).toEqual(["undo a"]);
    const row = await task.row();
    await expect(findStep(env, row, "b")).rejects.toMatchObject({ problem: { name: "conflict" } });
    expect(await findStep(env, row, "a")).toMatchObject({ isUndoable: false });
    expect(await stepsOf(task)).toMatchObject([{ name: "a", undoError: null }, { name: "b" }, { name: "sleep" }]);
    expect((await newsOf(task)).at(-1)).toMatchObject({ name: "a", phase: "undone", error: null });
  });
});
