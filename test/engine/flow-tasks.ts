/** Runs flows by hand inside the Workers runtime: a test is the worker, the clock and the caller. */
import { env } from "cloudflare:workers";
import type { FlowResource } from "../../src/contract/flow.ts";
import { DEFAULT_RETRY } from "../../src/core/retry.ts";
import { settle, type Ending } from "../../src/core/settle.ts";
import { flowInput } from "../../src/engine/flows/input.ts";
import { presentFlow } from "../../src/engine/flows/read.ts";
import { submitFlow } from "../../src/engine/flows/submit.ts";
import { claimTasks, type ClaimedTask } from "../../src/results/claim-tasks.ts";
import { commitAttempts, type CommitAnswer } from "../../src/results/commit-attempts.ts";
import { readFlow } from "../../src/results/flows/flows.ts";
import { quietEnv } from "./webhook-tasks.ts";

/** The default one: for others each task has one row more. */
const TENANT = "default";

const background = {
  waitUntil: (work: Promise<unknown>) => {
    work.catch(() => undefined);
  },
};

/** Submits a flow without any message. */
export async function newFlow(body: unknown, db: D1Database = env.DB): Promise<string> {
  const origin = { tenant: TENANT, traceparent: null };
  return (await submitFlow(quietEnv(db), background, body, origin, null, Date.now())).id;
}

export async function flowOf(id: string): Promise<FlowResource> {
  return presentFlow(quietEnv(), (await readFlow(env.DB, TENANT, id))!, "", 10_000);
}

/** A worker that claims tasks and ends them as it is told. */
export function workerOn(db: D1Database = env.DB) {
  async function claim(ids: string[], now = Date.now()): Promise<ClaimedTask[]> {
    return (await claimTasks(db, ids, crypto.randomUUID(), now)).claimed;
  }

  async function end(
    tasks: ClaimedTask[],
    ending: (task: ClaimedTask) => Ending,
    at = Date.now(),
  ): Promise<CommitAnswer> {
    const commits = tasks.map((task) => ({
      ...settle(task, ending(task), DEFAULT_RETRY, at, 0.5),
      id: task.id,
      attempt: task.attempt,
      startedAt: task.startedAt,
      at,
      progress: null,
      object: 0,
      mayRelease: task.mayRelease === 1,
      concurrency: task.concurrency,
    }));
    return commitAttempts(db, commits);
  }

  return { claim, end };
}

export const succeeded = (result: unknown): Ending => ({ outcome: "succeeded", result: JSON.stringify(result) });

export const failed = { outcome: "failed", error: { type: "Error", message: "no" }, retryable: false } satisfies Ending;

/** Claims the flow's task at this place and ends it; answers which tasks that releases. */
export async function play(flowId: string, key: string, ending: Ending): Promise<CommitAnswer> {
  const worker = workerOn();
  const { task } = (await flowOf(flowId)).nodes.findLast((node) => node.key === key)!;
  const claimed = await worker.claim([task.id]);
  if (claimed.length === 0) throw new Error(`${key} is ${task.state}`);
  return worker.end(claimed, () => ending);
}

/** What the task at this place would be given now. */
export async function inputAt(flowId: string, key: string): Promise<unknown> {
  const { task } = (await flowOf(flowId)).nodes.find((node) => node.key === key)!;
  return flowInput(quietEnv(), { id: task.id, flowId }, undefined);
}

export const statesOf = (flow: FlowResource) =>
  Object.fromEntries(flow.nodes.map(({ key, task }) => [key, task.state]));
