/** Requests that read tasks together: what they share, and what a read that never ends costs the others. */

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { RefusalError } from "../../src/results/d1.ts";
import { readTaskTogether } from "../../src/results/read-together.ts";
import { databaseOver, executeOn, type Execute } from "./database-over.ts";
import { newTask, newTenant } from "./webhook-tasks.ts";

const real = executeOn(env.DB);

const background = { waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined) };

/** A database that counts its calls; `answer` says what becomes of each. */
function counted(answer: (call: number, run: () => ReturnType<Execute>) => ReturnType<Execute>) {
  let calls = 0;
  const db = databaseOver((statements) => answer(++calls, () => real(statements)));
  return { db, calls: () => calls };
}

/** New tasks, each of a tenant of its own. */
async function stored(count: number, change: (i: number) => Partial<ReturnType<typeof newTask>> = () => ({})) {
  const tasks = Array.from({ length: count }, (_, i) => ({ ...newTask(newTenant()), ...change(i) }));
  await insertTasks(env.DB, tasks);
  return tasks;
}

describe("reads of concurrent requests", () => {
  it("share calls: the first goes alone, those that come meanwhile go together", async () => {
    const tasks = await stored(21);
    const { db, calls } = counted((_, run) => run());
    const rows = await Promise.all(tasks.map(({ id, tenant }) => readTaskTogether(db, background, tenant, id)));
    expect(rows.map((row) => row?.id)).toEqual(tasks.map(({ id }) => id));
    expect(calls()).toBe(2);
    await readTaskTogether(db, background, tasks[0]!.tenant, tasks[0]!.id);
    expect(calls()).toBe(3);
  });

  it("give a task to its own tenant alone, a large input whole, and null for what is not there", async () => {
    const input = JSON.stringify("x".repeat(100_000));
    const [first, small, large] = await stored(3, (i) => (i === 2 ? { input } : {}));
    const { db } = counted((_, run) => run());
    const read = (tenant: string, id: string) => readTaskTogether(db, background, tenant, id);
    const rows = await Promise.all([
      read(first!.tenant, first!.id),
      read(first!.tenant, small!.id),
      read(large!.tenant, large!.id),
      read(first!.tenant, "task_none"),
    ]);
    expect(rows.map((row) => row?.id)).toEqual([first!.id, undefined, large!.id, undefined]);
    expect(rows[2]!.input).toBe(input);
  });

  it("see what was stored before each of them began", async () => {
    const [first] = await stored(1);
    const late: Promise<unknown>[] = [];
    const { db } = counted(async (call, run) => {
      const answer = await run();
      // Stored after the first read, and read before its answer is there.
      if (call === 1) {
        const [next] = await stored(1);
        late.push(readTaskTogether(db, background, next!.tenant, next!.id));
        await Promise.resolve();
      }
      return answer;
    });
    await readTaskTogether(db, background, first!.tenant, first!.id);
    expect(await Promise.all(late)).toEqual([expect.objectContaining({ state: "queued" })]);
  });

  it("go on by themselves where the one before them never ends", async () => {
    const tasks = await stored(3);
    const { db } = counted((call, run) => (call === 1 ? new Promise<never>(() => {}) : run()));
    const [dead, ...others] = tasks.map(({ id, tenant }) => readTaskTogether(db, background, tenant, id));
    void dead!.catch(() => undefined);
    const rows = await Promise.all(others);
    expect(rows.map((row) => row?.id)).toEqual(tasks.slice(1).map(({ id }) => id));
  }, 30_000);

  // The last one: an overloaded D1 is asked less afterwards.
  it("fail together, each with a refusal of its own", async () => {
    const tasks = await stored(4);
    const { db } = counted((call, run) => (call === 1 ? run() : Promise.reject(new Error("D1 DB is overloaded."))));
    const reads = tasks.map(({ id, tenant }) => readTaskTogether(db, background, tenant, id));
    const settled = await Promise.allSettled(reads);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"]);
    const reasons = settled.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
    expect(reasons.every((reason) => reason instanceof RefusalError)).toBe(true);
    expect(new Set(reasons).size).toBe(3);
  });
});
