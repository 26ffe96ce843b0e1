/** Circuit breakers: what fails too often is held back, one tries after a while, and then all or none go on. */
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import type { Circuit } from "../../src/core/circuit.ts";
import type { Ending } from "../../src/core/settle.ts";
import { moveCircuits } from "../../src/engine/limits/circuits.ts";
import { readTripped } from "../../src/results/limits/circuits.ts";
import { explain } from "../../src/engine/explain/explain.ts";
import { cancelTasks } from "../../src/results/cancel-tasks.ts";
import { releaseCircuit } from "../../src/results/limits/circuits.ts";
import type { ClaimedTask } from "../../src/results/claim-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { claimAt, hearingEnv, limitedTask } from "./limited-tasks.ts";
import { endOf } from "./webhook-tasks.ts";

const CIRCUIT: Omit<Circuit, "per"> = { failures: 3, ratio: 0.5, window: 60_000, cooldown: 30_000 };

let names = 0;

/** A task name that no other test uses, so that each test has a circuit of its own. */
const newName = () => `circuit.${++names}`;

async function insert(task: string, count: number): Promise<string[]> {
  const more = { tenant: task, task, circuit: JSON.stringify(CIRCUIT) };
  const tasks = Array.from({ length: count }, () => limitedTask({}, more));
  await insertTasks(env.DB, tasks);
  return tasks.map((each) => each.id).toSorted();
}

const FAILED: Ending = { outcome: "failed", error: { type: "Error", message: "no" }, retryable: false };
const SUCCEEDED: Ending = { outcome: "succeeded", result: "null" };

async function end(tasks: ClaimedTask[], how: Ending, at: number): Promise<void> {
  await commitAttempts(
    env.DB,
    tasks.map((task) => ({ ...endOf(task, how), at })),
  );
}

/** Runs so many new tasks to this end. */
async function run(task: string, count: number, how: Ending, at: number): Promise<void> {
  const { claimed } = await claimAt(await insert(task, count), at);
  expect(claimed).toHaveLength(count);
  await end(claimed, how, at);
}

async function circuitOf(task: string) {
  return env.DB.prepare("SELECT open_until AS openUntil, probe, failed, ended FROM circuits WHERE task = ?1")
    .bind(task)
    .first<{ openUntil: number | null; probe: string | null; failed: number; ended: number }>();
}

/** A task whose circuit has just opened at `at`, with so many waiting. */
async function tripped(count: number, at: number): Promise<{ task: string; ids: string[] }> {
  const task = newName();
  await run(task, 3, FAILED, at);
  return { task, ids: await insert(task, count) };
}

beforeEach(async () => {
  await env.DB.prepare("DELETE FROM circuits").run();
});

describe("a circuit", () => {
  it("opens when so many attempts of its task fail, and nothing of that task starts", async () => {
    const now = Date.now();
    const task = newName();
    await run(task, 2, FAILED, now);
    expect((await circuitOf(task))?.openUntil).toBeNull();
    await run(task, 1, FAILED, now + 1);
    expect((await circuitOf(task))?.openUntil).toBe(now + 1 + CIRCUIT.cooldown);
    const ids = await insert(task, 4);
    const [other] = await insert(newName(), 1);
    const claims = await claimAt([...ids, other!], now + 2);
    expect(claims.claimed.map((each) => each.id)).toEqual([other]);
    expect(claims.nextTurn).toBe(now + 1 + CIRCUIT.cooldown);
  });

  it("stays closed while enough succeeds, and forgets what failed before its window", async () => {
    const now = Date.now();
    const task = newName();
    await run(task, 2, FAILED, now);
    await run(task, 5, SUCCEEDED, now);
    await run(task, 2, FAILED, now);
    expect(await circuitOf(task)).toMatchObject({ openUntil: null, failed: 4, ended: 9 });
    await run(task, 2, FAILED, now + CIRCUIT.window);
    expect(await circuitOf(task)).toMatchObject({ openUntil: null, failed: 2, ended: 2 });
  });

  it("has no row before anything fails", async () => {
    const task = newName();
    await run(task, 3, SUCCEEDED, Date.now());
    expect(await circuitOf(task)).toBeNull();
  });

  it("lets one alone try after its cooldown, whatever claims race", async () => {
    const now = Date.now();
    const { task, ids } = await tripped(20, now);
    const after = now + CIRCUIT.cooldown;
    expect((await claimAt(ids, after - 1)).claimed).toEqual([]);
    const claims = await Promise.all(ids.map((_, i) => claimAt([ids[i]!, ids[(i + 7) % 20]!], after)));
    const claimed = claims.flatMap((each) => each.claimed);
    expect(claimed).toHaveLength(1);
    expect((await circuitOf(task))?.probe).toBe(claimed[0]!.id);
  });

  it("closes when that one succeeds, and rings for all that it has held back", async () => {
    const now = Date.now();
    const { task, ids } = await tripped(20, now);
    const after = now + CIRCUIT.cooldown;
    await claimAt(ids, now + 1);
    const { claimed } = await claimAt(ids, after);
    expect(claimed.map((each) => each.id)).toEqual([ids[0]]);
    await end(claimed, SUCCEEDED, after + 5);
    expect(await circuitOf(task)).toMatchObject({ openUntil: null, probe: null, failed: 0 });
    expect(await moveCircuits(hearingEnv().env, after + 10, await readTripped(env.DB))).toBe(null);
    const { results } = await env.DB.prepare("SELECT due_at AS dueAt FROM tasks WHERE task = ?1 AND state = 'queued'")
      .bind(task)
      .all<{ dueAt: number }>();
    expect(results.filter((row) => row.dueAt <= after + 10)).toHaveLength(19);
    expect((await claimAt(ids, after + 11)).claimed).toHaveLength(19);
  });

  it("rings in portions for a crowd that it has held back", async () => {
    const now = Date.now();
    const { task, ids } = await tripped(5, now);
    const { claimed } = await claimAt(ids, now + CIRCUIT.cooldown);
    await end(claimed, SUCCEEDED, now + CIRCUIT.cooldown);
    const at = now + CIRCUIT.cooldown + 1;
    expect(await releaseCircuit(env.DB, task, at, 3)).toBe(true);
    expect(await releaseCircuit(env.DB, task, at, 3)).toBe(false);
  });

  it("opens for as long again when that one fails", async () => {
    const now = Date.now();
    const { task, ids } = await tripped(3, now);
    const after = now + CIRCUIT.cooldown;
    const { claimed } = await claimAt(ids, after);
    await end(claimed, FAILED, after + 5);
    expect(await circuitOf(task)).toMatchObject({ openUntil: after + 5 + CIRCUIT.cooldown, probe: null });
    expect((await claimAt(ids, after + 6)).claimed).toEqual([]);
  });

  it.each<[string, (task: ClaimedTask, at: number) => Promise<unknown>]>([
    ["crashes", (task, at) => end([task], { outcome: "crashed" }, at)],
    ["is snoozed", (task, at) => end([task], { outcome: "snoozed", delayMs: 60_000 }, at)],
    [
      "is cancelled",
      async (task, at) => {
        await cancelTasks(env.DB, [task.id], null, at);
        await end([task], { outcome: "cancelled" }, at);
      },
    ],
  ])("lets another one try when the first %s", async (_what, stop) => {
    const now = Date.now();
    const { task, ids } = await tripped(3, now);
    const after = now + CIRCUIT.cooldown;
    const { claimed } = await claimAt(ids, after);
    await stop(claimed[0]!, after + 5);
    expect(await circuitOf(task)).toMatchObject({ openUntil: after, probe: null });
    expect((await claimAt(ids.slice(1), after + 6)).claimed).toHaveLength(1);
  });

  it("is not moved by those that started before it opened", async () => {
    const now = Date.now();
    const task = newName();
    const { claimed } = await claimAt(await insert(task, 5), now);
    await end(claimed.slice(0, 3), FAILED, now + 10);
    const open = await circuitOf(task);
    await end(claimed.slice(3, 4), SUCCEEDED, now + 20);
    await end(claimed.slice(4), FAILED, now + 30);
    expect(await circuitOf(task)).toEqual(open);
  });
});

describe("the clock", () => {
  it("looks again when the circuit may be tried, and rings for the first in line then", async () => {
    const now = Date.now();
    const { ids } = await tripped(8, now);
    const after = now + CIRCUIT.cooldown;
    const { env: bindings, rung } = hearingEnv();
    expect(await moveCircuits(bindings, now + 1, await readTripped(env.DB))).toBe(after);
    expect(rung()).toEqual([]);
    expect(await moveCircuits(bindings, after, await readTripped(env.DB))).toBe(after + 1_000);
    expect(rung()).toEqual(ids.slice(0, 5));
  });

  it("sleeps while no task waits at an open circuit that may be tried", async () => {
    const now = Date.now();
    await tripped(0, now);
    expect(await moveCircuits(hearingEnv().env, now + CIRCUIT.cooldown, await readTripped(env.DB))).toBe(null);
  });
});

it("is named by the explanation of a task that it holds back, with the task that tries it", async () => {
  const now = Date.now();
  const { task, ids } = await tripped(2, now);
  const until = new Date(now + CIRCUIT.cooldown).toISOString();
  const explanationOf = async (id: string, at: number) => {
    const { reasons, ...rest } = await explain(env, (await readTasks(env.DB, [id]))[0]!, at);
    // The running code has none of these tasks, which is a reason too.
    return { ...rest, reasons: reasons.filter(({ code }) => code !== "unknown_task") };
  };
  expect(await explanationOf(ids[1]!, now + 1)).toEqual({
    state: "queued",
    summary: expect.stringContaining(`${task} fails too often and is held back until ${until}.`) as unknown,
    reasons: [{ code: "circuit_open", task, until, probe: null }],
    estimatedStartAt: null,
    estimatedEndAt: null,
    estimatedFrom: null,
  });
  await claimAt(ids, now + CIRCUIT.cooldown);
  expect((await explanationOf(ids[1]!, now + CIRCUIT.cooldown)).reasons).toEqual([
    { code: "circuit_open", task, until, probe: ids[0] },
  ]);
  // Another tenant's ids are not shown.
  await env.DB.prepare("UPDATE tasks SET tenant = 'other' WHERE id = ?1").bind(ids[0]).run();
  expect((await explanationOf(ids[1]!, now + CIRCUIT.cooldown)).reasons).toMatchObject([{ probe: null }]);
  const [free] = await insert(newName(), 1);
  const [row] = await readTasks(env.DB, [free!]);
  expect((await explanationOf(free!, now)).reasons).toMatchObject([
    { code: "queued", since: new Date(row!.runAt).toISOString(), lane: "default" },
  ]);
});
