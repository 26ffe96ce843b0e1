/** The ends of one invocation's attempts, written together: each hears of its own. */
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { startTasks } from "../../src/results/start-tasks.ts";
import { commitAttempts } from "../../src/results/commit-attempts.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { Committer } from "../../src/worker/committer.ts";
import { hearingEnv } from "./limited-tasks.ts";
import { claimOne, endOf, newTask, newTenant } from "./webhook-tasks.ts";

it("tells an attempt that was taken away from the one in its place, where both end at once", async () => {
  const task = newTask(newTenant());
  await insertTasks(env.DB, [task]);
  const first = await claimOne(env.DB, task.id);
  await commitAttempts(env.DB, [endOf(first, { outcome: "crashed" })]);
  await startTasks(env.DB, [task.id], Date.now() + 60_000);
  const second = await claimOne(env.DB, task.id);
  expect([first.attempt, second.attempt]).toEqual([1, 2]);
  const committer = new Committer(hearingEnv().env, Date.now() + 30_000);
  expect(await Promise.all([committer.add(endOf(first)), committer.add(endOf(second))])).toEqual([false, true]);
});
