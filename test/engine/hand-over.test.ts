/** Ends that an event cannot bring to D1 in its time: an object commits them, and no attempt is repeated. */
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import { readTasks } from "../../src/results/read-tasks.ts";
import { historyOf } from "../../src/results/task-row.ts";
import { Committer } from "../../src/worker/committer.ts";
import { attemptOf } from "../../src/worker/attempt.ts";
import { workOff } from "../../src/worker/work.ts";
import { databaseOver } from "./database-over.ts";
import { claimOne, endOf, newTask, newTenant, quietEnv } from "./webhook-tasks.ts";

/** What the event has left; two seconds of it are kept for the object. */
const EVENT_MS = 3_000;

const silent = databaseOver(async () => new Promise(() => undefined));

const broken = databaseOver(async () => {
  throw new Error("D1_ERROR: Network connection lost.");
});

async function claimed(count: number) {
  const tasks = Array.from({ length: count }, () => newTask(newTenant()));
  await insertTasks(env.DB, tasks);
  return Promise.all(tasks.map((task) => claimOne(env.DB, task.id)));
}

async function rowsWhenEnded(ids: string[]) {
  return vi.waitUntil(
    async () => {
      const rows = await readTasks(env.DB, ids);
      return rows.every((row) => row.state === "succeeded") && rows;
    },
    { timeout: 120_000, interval: 100 },
  );
}

it.each([
  ["never answers", silent],
  ["fails", broken],
])("are committed once by an object where D1 %s", async (_, db) => {
  const tasks = await claimed(3);
  const committer = new Committer(quietEnv(db), Date.now() + EVENT_MS);
  const held = await Promise.all(tasks.map(async (task) => committer.add(endOf(task))));
  expect(held).toEqual([true, true, true]);
  const rows = await rowsWhenEnded(tasks.map((task) => task.id));
  expect(rows.map((row) => historyOf(row).map((entry) => entry.outcome))).toEqual(
    Array.from({ length: 3 }, () => ["succeeded"]),
  );
});

it("change nothing where the attempt was fenced meanwhile", async () => {
  const [task] = await claimed(1);
  const late = endOf(task!, { outcome: "succeeded", result: '"late"' });
  await env.DB.prepare("UPDATE tasks SET attempt = attempt + 1 WHERE id = ?1").bind(task!.id).run();
  const next = { ...endOf(task!, { outcome: "succeeded", result: '"next"' }), attempt: task!.attempt + 1 };
  const object = env.ATTEMPTS.get(env.ATTEMPTS.newUniqueId());
  await object.commit([late]);
  await new Committer(quietEnv(), Date.now() + 60_000).add(next);
  const [row] = await rowsWhenEnded([task!.id]);
  expect(row).toMatchObject({ result: '"next"', attempt: 2 });
});

it("leave an attempt that begins too late in its event to another, and use up nothing", async () => {
  const [task] = await claimed(1);
  const worked: string[] = [];
  await workOff(quietEnv(), [attemptOf(env, task!)], Date.now() + 3_200, {
    one: async ({ control }) => {
      await new Promise<void>((resolve) => control.signal.addEventListener("abort", () => resolve()));
      worked.push(control.reason!.cause);
      return { ending: { outcome: "succeeded", result: "null" }, progress: null, used: false };
    },
    together: () => expect.unreachable(),
  });
  const [row] = await readTasks(env.DB, [task!.id]);
  expect(worked).toEqual(["lost"]);
  expect(row).toMatchObject({ state: "scheduled", failures: 0, crashes: 0 });
});
