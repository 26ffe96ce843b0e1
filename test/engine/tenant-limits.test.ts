/** Limits of definitions are each tenant's own unless they say otherwise, and none tells of another tenant. */

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { circuitOwner, rowCircuit } from "../../src/core/circuit.ts";
import type { KeyLimit } from "../../src/core/concurrency.ts";
import { defineTask, type TaskOptions } from "../../src/core/define-task.ts";
import { parseLimitId } from "../../src/core/limit-name.ts";
import type { Rate } from "../../src/core/share.ts";
import { moveCircuits } from "../../src/engine/limits/circuits.ts";
import { findLimit, listLimits } from "../../src/engine/limits/limits.ts";
import { prepareLimits } from "../../src/engine/limits/prepare.ts";
import { holdBack } from "../../src/results/limits/buckets.ts";
import { readTripped } from "../../src/results/limits/circuits.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readKeyWaiters } from "../../src/results/limits/waiters.ts";
import { claimAt, hearingEnv, limitedTask } from "./limited-tasks.ts";
import { endOf } from "./webhook-tasks.ts";

let names = 0;

const define = (options: Partial<TaskOptions<string, z.ZodType<{ key: string }>, z.ZodNull>>) =>
  defineTask({
    name: `tenants.${++names}`,
    input: z.strictObject({ key: z.string() }),
    output: z.null(),
    run: () => null,
    ...options,
  });

type Definition = ReturnType<typeof define>;

/** Stores tasks of a tenant under the definition's own limits; answers their ids. */
async function insert(definition: Definition, tenant: string, count: number, key = "k"): Promise<string[]> {
  const limits = prepareLimits(definition, { task: definition.name }, { key }, tenant);
  if (!limits.ok) throw new Error(limits.problem.detail);
  const circuit = definition.circuit === null ? null : rowCircuit(definition.name, definition.circuit, tenant);
  const { concurrency, rates } = limits;
  const more = { tenant, task: definition.name, concurrency, rates, circuit };
  const tasks = Array.from({ length: count }, () => limitedTask({}, more));
  await insertTasks(env.DB, tasks);
  return tasks.map((task) => task.id).toSorted();
}

const startedOf = async (ids: string[], now?: number) => (await claimAt(ids, now)).claimed;

describe.each([
  ["tenant", 2],
  ["deployment", 1],
] as const)("limits per %s", (per, starts) => {
  it("of how many run at once", async () => {
    const definition = define({ concurrency: { limit: 1, per } });
    const ids = [...(await insert(definition, "a", 3)), ...(await insert(definition, "b", 3))];
    expect(await startedOf(ids)).toHaveLength(starts);
  });

  it("of how many start in a time, and what an upstream has asked for", async () => {
    const definition = define({ rateLimit: { limit: 1, per: "1m", scope: per } });
    const [a, b] = [await insert(definition, "a", 2), await insert(definition, "b", 2)];
    const now = Date.now();
    const started = await startedOf([...a, ...b], now);
    expect(started).toHaveLength(starts);
    await holdBack(env.DB, started[0]!.id, started[0]!.attempt, now + 3_600_000);
    // A minute later the other tenant goes on, if its rate is its own.
    expect(await startedOf([...a, ...b], now + 61_000)).toHaveLength(starts - 1);
  });

  it("of failures", async () => {
    const definition = define({ circuit: { failures: 2, ratio: 0, cooldown: "1m", per } });
    const failing = await startedOf(await insert(definition, "a", 2));
    await commitAttempts(
      env.DB,
      failing.map((task) =>
        endOf(task, { outcome: "failed", error: { type: "Error", message: "no" }, retryable: false }),
      ),
    );
    const [a, b] = [await insert(definition, "a", 2), await insert(definition, "b", 2)];
    const started = await startedOf([...a, ...b]);
    expect(started.map((task) => task.tenant)).toEqual(per === "tenant" ? ["b", "b"] : []);
    // When its time is over, one of those that it holds back is rung for, and all once that has succeeded.
    const later = Date.now() + 120_000;
    const { env: bindings, rung } = hearingEnv();
    const own = async () =>
      (await readTripped(env.DB)).filter(({ task }) => circuitOwner(task).task === definition.name);
    await moveCircuits(bindings, later, await own());
    const candidates = rung();
    expect(candidates.length).toBeGreaterThan(0);
    expect(per === "tenant" ? a : [...a, ...b]).toEqual(expect.arrayContaining(candidates));
    const [probe, ...rest] = await startedOf([...a, ...b], later);
    expect(rest).toEqual([]);
    await commitAttempts(env.DB, [endOf(probe!)]);
    await moveCircuits(bindings, later + 1, await own());
    const left = [...a, ...b].filter((id) => id !== probe!.id && !started.some((task) => task.id === id));
    expect(await startedOf(left, later + 2)).toHaveLength(left.length);
  });
});

describe("a key function", () => {
  it("sees the tenant as its second argument", () => {
    const definition = define({
      concurrency: { limit: 1, key: ({ key }, tenant) => `${key}/${tenant}`, per: "deployment" },
      rateLimit: { limit: 1, per: "1s", key: (_, tenant) => tenant },
    });
    const limits = prepareLimits(definition, { task: definition.name }, { key: "k" }, "acme");
    expect(limits).toMatchObject({ ok: true });
    const { concurrency, rates } = limits as { concurrency: string; rates: string };
    expect((JSON.parse(concurrency) as KeyLimit[])[0]!.key).toBe(`task:${definition.name}:k/acme`);
    expect((JSON.parse(rates) as Rate[])[0]!.key).toBe(`task:${definition.name}@acme:acme`);
  });
});

describe("a limit that all tenants share", () => {
  it("tells no tenant the ids of another's tasks", async () => {
    const definition = define({ concurrency: { limit: 1, per: "deployment" } });
    const [holder] = await startedOf(await insert(definition, "a", 1));
    const [waiting] = await insert(definition, "b", 1);
    const key = `task:${definition.name}:`;
    const lineFor = async (tenant: string) => (await readKeyWaiters(env.DB, { id: waiting!, tenant }, [key]))[0]!;
    expect(await lineFor("b")).toMatchObject({ used: 1, heldBy: [] });
    expect(await lineFor("a")).toMatchObject({ used: 1, heldBy: [holder!.id] });
  });
});

describe("the limits that a tenant sees", () => {
  const reader = (tenant: string, isOperator = false) => ({ tenant, isOperator });

  it("are its own and the deployment's, with no key of another", async () => {
    const keys = (tenant: string) => [{ key: `task:test.keyed@${tenant}:k-${tenant}`, limit: 2 }];
    for (const tenant of ["sees-a", "sees-b"]) {
      await insertTasks(env.DB, [limitedTask({ concurrency: keys(tenant) }, { tenant, task: "test.keyed" })]);
    }
    const idsFor = async (who: ReturnType<typeof reader>) =>
      (await listLimits(env, who, { task: "test.keyed" }, null, 100, Date.now())).map((limit) => limit.id);
    expect(await idsFor(reader("sees-a"))).toEqual(["concurrency:test.keyed:k-sees-a"]);
    expect(await idsFor(reader("sees-b"))).toEqual(["concurrency:test.keyed:k-sees-b"]);
    const all = await idsFor(reader("sees-a", true));
    expect(all).toContain("concurrency:test.keyed:k-sees-a");
    expect(all).toContain("concurrency:test.keyed@sees-b:k-sees-b");
    const foreign = parseLimitId("concurrency:test.keyed@sees-b:k-sees-b")!;
    expect(await findLimit(env, reader("sees-a"), foreign, Date.now())).toBeNull();
    expect(await findLimit(env, reader("sees-a", true), foreign, Date.now())).toMatchObject({ tenant: "sees-b" });
  });
});
