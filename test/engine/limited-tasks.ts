/** Tasks with limits as the tests of flow control need them: stored, claimed and ended by the test alone, at times that it names. */

import { env } from "cloudflare:workers";
import type { Bell } from "../../src/broker/bells.ts";
import type { KeyLimit } from "../../src/core/concurrency.ts";
import type { Rate } from "../../src/core/share.ts";
import { claimTasks, type Claim } from "../../src/results/claim-tasks.ts";
import { insertTasks } from "../../src/results/submit-tasks.ts";
import type { NewTask } from "../../src/results/new-task.ts";
import { newTask, newTenant } from "./webhook-tasks.ts";

export interface Limits {
  concurrency?: KeyLimit[];
  rates?: Rate[];
}

/** The Worker's bindings with a clock that is never woken, and queues that remember their messages. */
export function hearingEnv(): { env: Env; rung: () => string[] } {
  const heard: string[] = [];
  const queue = {
    sendBatch: async (messages: Iterable<MessageSendRequest<Bell>>) => {
      for (const { body } of messages) heard.push(...body.ids);
    },
  } as unknown as Queue;
  const clock = { getByName: () => ({ wakeBy: async (at: number) => at }) } as unknown as Env["CLOCK"];
  return {
    env: { ...env, CLOCK: clock, LANE_HIGH: queue, LANE_DEFAULT: queue, LANE_BULK: queue, LANE_LONG: queue },
    rung: () => heard.splice(0),
  };
}

let keys = 0;

/** A key that no other test uses. */
export function newKey(): string {
  return `tenant:t:key-${++keys}`;
}

export function limitedTask({ concurrency, rates }: Limits, more: Partial<NewTask> = {}): NewTask {
  return {
    ...newTask(newTenant()),
    concurrency: concurrency ? JSON.stringify(concurrency) : null,
    rates: rates ? JSON.stringify(rates) : null,
    ...more,
  };
}

/** Stores so many tasks with the same limits; answers their ids in the order of their line. */
export async function insertLimited(count: number, limits: Limits, db = env.DB): Promise<string[]> {
  const tasks = Array.from({ length: count }, () => limitedTask(limits));
  await insertTasks(db, tasks);
  return tasks.map((task) => task.id).toSorted();
}

export function claimAt(ids: string[], now = Date.now(), db = env.DB): Promise<Claim> {
  return claimTasks(db, ids, crypto.randomUUID(), now);
}

/** Ids of the claimed, in the order of their line. */
export async function claimIds(ids: string[], now?: number): Promise<string[]> {
  return (await claimAt(ids, now)).claimed.map((task) => task.id).toSorted();
}

/** Where the places do not agree with the states of tasks; the key names each of them. */
export async function disagreements(): Promise<unknown[]> {
  const { results } = await env.DB.prepare(
    `SELECT key, task_id AS taskId, running, state FROM (
       SELECT own.value->>'key' AS key, tasks.id AS task_id, tasks.state = 'running' AS should, tasks.state
       FROM tasks, json_each(tasks.concurrency) AS own
       WHERE tasks.state NOT IN ('succeeded', 'failed', 'cancelled', 'expired'))
     FULL JOIN places USING (key, task_id) WHERE running IS NOT should`,
  ).all();
  return results;
}
