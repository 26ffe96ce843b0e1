/** Submits the children of a running attempt. */

import type { SpawnOptions } from "../core/task.ts";
import { faults, problem, type Problem } from "../core/problems.ts";
import { NonRetryableError } from "../core/errors.ts";
import { submissionSchema } from "../contract/submission.ts";
import { timedRetention } from "../core/wake.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { FlowNode } from "../results/flows/node.ts";
import type { NewTask } from "../results/new-task.ts";
import { spawnTasks } from "../results/spawn-tasks.ts";
import { announce } from "./announce.ts";
import { namedTaskId } from "./ids.ts";
import { prepareSubmission } from "./prepare.ts";
import { isOverQuota } from "./quota.ts";
import { storeCounted, takeIn } from "./take-in.ts";

/**
 * Submits one child for each input; their ids follow from the parent's run and `key`, so a
 * repetition stores nothing more. Null where the parent must stop. Throws a `storage-full` problem while the database has no
 * room: the parent then waits and asks again.
 */
export async function spawn(
  env: Env,
  parent: ClaimedTask,
  key: string,
  task: string,
  inputs: unknown[],
  options: SpawnOptions,
): Promise<string[] | null> {
  const now = Date.now();
  const children = await Promise.all(
    inputs.map(async (input, i) => {
      const id = await namedTaskId(`${parent.id}/${parent.run}/${key}/${i}`, parent.createdAt);
      return childOf(env, parent, id, { task, ...(input === undefined ? {} : { input }), options }, now);
    }),
  );
  await takeInChildren(env, parent.tenant, children, now);
  const runs = await storeCounted(
    children,
    () => spawnTasks(env.DB, parent, children),
    (spawned) => spawned,
  );
  if (!runs) return null;
  await announce(env, { moved: children }, now);
  return children.map((child) => child.id);
}

/** Over the tenant's quota the handler gets an error: its attempt fails, and the retry policy says when the next one starts. */
async function takeInChildren(env: Env, tenant: string, children: NewTask[], now: number): Promise<void> {
  try {
    await takeIn(env, tenant, children, now, "accepted");
  } catch (error) {
    if (!isOverQuota(error)) throw error;
    throw Object.assign(new Error(error.message), { name: "QuotaExceededError" });
  }
}

function childOf(env: Env, parent: ClaimedTask, id: string, body: unknown, now: number): NewTask {
  const parsed = submissionSchema.safeParse(body);
  if (!parsed.success)
    refuse(problem("invalid-body", "the child does not fit the schema", faults(parsed.error.issues)));
  const origin = { tenant: parent.tenant, traceparent: parent.traceparent };
  const prepared = prepareSubmission(env, parsed.data, origin, id, now);
  if (!prepared.ok) refuse(prepared.problem);
  const node: FlowNode = { wakes: parent.id };
  return {
    ...prepared.task,
    retentionMs: timedRetention(prepared.task.retentionMs),
    parentId: parent.id,
    rootId: parent.rootId ?? parent.id,
    node: JSON.stringify(node),
  };
}

function refuse(found: Problem): never {
  throw new NonRetryableError(`a child task was refused: ${found.detail}`, found.errors);
}
