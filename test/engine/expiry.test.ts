/** Whatever holds a task back, it expires on time, without a request for it. */

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { newTaskIds } from "../../src/engine/ids.ts";
import { prepare } from "../../src/engine/prepare.ts";
import { claimTasks } from "../../src/results/claim-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { readTasks } from "../../src/results/read-tasks.ts";

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** Queued, with an expiry in a minute. */
function newTask(): NewTask {
  const body = { task: "test.noop", options: { expiresIn: MINUTE } };
  const prepared = prepare(env, body, { tenant: "t", traceparent: null }, newTaskIds(1)[0]!, NOW);
  if (!prepared.ok) throw new Error(prepared.problem.detail);
  return prepared.task;
}

async function dueAfterAsking(task: NewTask): Promise<number | null> {
  await insertTasks(env.DB, [task]);
  const { claimed } = await claimTasks(env.DB, [task.id], "w", NOW + 1_000);
  expect(claimed).toEqual([]);
  return (await readTasks(env.DB, [task.id]))[0]!.dueAt;
}

it("expires on time behind an open circuit", async () => {
  await env.DB.prepare("INSERT INTO circuits (task, window_at, open_until) VALUES (?1, ?2, ?3)")
    .bind("test.noop", NOW, NOW + 60 * MINUTE)
    .run();
  const circuit = JSON.stringify({ failures: 1, ratio: 0, window: MINUTE, cooldown: 60 * MINUTE });
  expect(await dueAfterAsking({ ...newTask(), circuit })).toBe(NOW + MINUTE);
});

it("expires on time behind a rate whose next token comes later", async () => {
  const rate = { key: "r", interval: 60 * MINUTE, tolerance: 0 };
  await env.DB.prepare("INSERT INTO buckets (key, tat, interval, tolerance) VALUES (?1, ?2, ?3, ?4)")
    .bind(rate.key, NOW + 60 * MINUTE, rate.interval, rate.tolerance)
    .run();
  expect(await dueAfterAsking({ ...newTask(), rates: JSON.stringify([rate]) })).toBe(NOW + MINUTE);
});
