/** Another run of what has ended: begun once, whatever is repeated and however the clocks differ. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { retry } from "../../src/engine/retry.ts";
import { rateOf } from "../../src/core/share.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { replayTasks } from "../../src/results/webhooks/replay.ts";
import { retryFlow } from "../../src/engine/flows/control.ts";
import { readFlow } from "../../src/results/flows/flows.ts";
import { failed, flowOf, newFlow, play } from "./flow-tasks.ts";
import { disagreements } from "./limited-tasks.ts";
import { claimOne, endOf, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

const background = { waitUntil: () => {} };

const HOUR = 3_600_000;

/** A task whose attempt failed by the clock of an isolate that is an hour ahead. */
async function failedAhead(): Promise<string> {
  const task = newTask(newTenant());
  await insertTasks(env.DB, [task]);
  await failAgain(task.id);
  return task.id;
}

async function failAgain(id: string): Promise<void> {
  const ending = { outcome: "failed", error: { type: "Error", message: "no" }, retryable: false } as const;
  await commitAttempts(env.DB, [endOf(await claimOne(env.DB, id), ending)]);
  await env.DB.prepare("UPDATE tasks SET finished_at = ?2 WHERE id = ?1")
    .bind(id, Date.now() + HOUR)
    .run();
}

const input = (text: string) => ({ text, concurrency: null, rates: null });

const runOf = async (id: string) => (await readTasks(env.DB, [id]))[0]?.run;

/** A database that does what it is told, says nothing, and meanwhile `then` happens: the first time that a batch comes. */
function losingAnswers(then: () => Promise<void>): D1Database {
  let lost = false;
  return {
    prepare: (sql: string) => env.DB.prepare(sql),
    batch: async (statements: D1PreparedStatement[]) => {
      const results = await env.DB.batch(statements);
      if (lost) return results;
      lost = true;
      await then();
      throw new Error("D1_ERROR: Network connection lost.");
    },
  } as unknown as D1Database;
}

describe("a retry", () => {
  it("does not mind that the task has ended by a clock that is ahead", async () => {
    const id = await failedAhead();
    expect(await retry(quietEnv(), background, [id], null, Date.now())).toEqual([id]);
    expect(await runOf(id)).toBe(2);
  });

  it("that is repeated because its answer was lost begins no third run after the second has failed", async () => {
    const id = await failedAhead();
    const db = losingAnswers(() => failAgain(id));
    await retry(quietEnv(db), background, [id], input('{"another":1}'), Date.now() + 2 * HOUR);
    expect((await readTasks(env.DB, [id]))[0]).toMatchObject({ run: 2, state: "failed", input: '{"another":1}' });
  });

  it("that many ask for at once is begun by one", async () => {
    const id = await failedAhead();
    const asked = Array.from({ length: 10 }, () => retry(quietEnv(), background, [id], null, Date.now()));
    expect((await Promise.all(asked)).flat()).toEqual([id]);
    expect(await runOf(id)).toBe(2);
  });

  it.each([10, 50_000])(
    "with another input of %i bytes is under its limits, and those of the submission",
    async (size) => {
      const [mine, before, after] = ["tenant:t:retried", "task:test.keyed:a", "task:test.keyed:b"];
      const places = (key: string) => ({ key, limit: 2 });
      const concurrency = JSON.stringify([places(before), places(mine)]);
      const task = { ...newTask(newTenant()), concurrency };
      await insertTasks(env.DB, [task]);
      await failAgain(task.id);
      const text = JSON.stringify("x".repeat(size));
      const limits = { concurrency: JSON.stringify([places(after)]), rates: JSON.stringify([rateOf(after, 1, 1, 1)]) };
      await retry(quietEnv(), background, [task.id], { text, ...limits }, Date.now());
      const claimed = await claimOne(env.DB, task.id);
      expect(JSON.parse(claimed.concurrency!)).toEqual([places(after), places(mine)]);
      expect(await disagreements()).toEqual([]);
    },
  );

  it("of a flow does not mind such a clock either", async () => {
    const id = await newFlow({ chain: [{ task: "test.noop" }] });
    await play(id, "0", failed);
    await env.DB.prepare("UPDATE flows SET finished_at = ?2 WHERE id = ?1")
      .bind(id, Date.now() + HOUR)
      .run();
    const { tenant } = (await env.DB.prepare("SELECT tenant FROM flows WHERE id = ?1").bind(id).first<{
      tenant: string;
    }>())!;
    const row = (await readFlow(env.DB, tenant, id))!;
    expect(await retryFlow(quietEnv(), background, row, null, Date.now())).toBe(1);
    expect(await flowOf(id)).toMatchObject({ state: "running", counts: { queued: 1 } });
  });
});

describe("a replay", () => {
  it("does not mind it either, and is begun once", async () => {
    const id = await failedAhead();
    const now = Date.now();
    expect(
      await replayTasks(
        losingAnswers(async () => {}),
        [id],
        now,
      ),
    ).toEqual([{ id, lane: "default" }]);
    expect(await runOf(id)).toBe(2);
  });
});
