/** Sends a signal to a task that waits for it, or will. */

import { MAX_PAYLOAD_BYTES } from "../core/bounds.ts";
import type { ProblemName } from "../core/problem-kinds.ts";
import { ProblemError, problem } from "../core/problems.ts";
import { isTerminal } from "../core/states.ts";
import { TOLD } from "../core/wake.ts";
import type { Audit } from "../results/audit.ts";
import { byteLength } from "../core/byte-length.ts";
import { readTasks } from "../results/read-tasks.ts";
import { RefusalError } from "../results/d1.ts";
import { addSignal, isLinkUsed, MAX_SIGNALS } from "../results/signals.ts";
import type { TaskRow } from "../results/task-row.ts";
import { announce } from "./announce.ts";
import { admitTo } from "./quota.ts";
import { isStorageHeld } from "./storage.ts";
import type { Background } from "./store.ts";
import { liveSnapshotOf, progressObject } from "./events/tell.ts";

/**
 * Keeps the signal (`body` is JSON text) and wakes the task. `linkId` names a link that is good for one signal.
 * Throws a 409 problem where the task has ended or the link was used, a 413 problem where the body
 * is too large, a 429 problem over the tenant's quota, and a 503 problem where the database has no room for it.
 */
export async function signal(
  env: Env,
  background: Background,
  task: TaskRow,
  name: string,
  body: string,
  now: number,
  linkId: string | null = null,
  audit: Audit | null = null,
): Promise<void> {
  // Numbers may be written longer in JSON than the caller wrote them, so the request's own size does not bound this.
  if (byteLength(body) > MAX_PAYLOAD_BYTES)
    refuse("payload-too-large", `A signal may be ${MAX_PAYLOAD_BYTES} bytes long.`);
  if (isStorageHeld(env)) throw new RefusalError("full");
  const more = { signals: 1, bytes: body.length };
  const add = () => addSignal(env.DB, task.id, name, body, now, linkId ?? crypto.randomUUID(), audit);
  const { kept, released } = await admitTo(env, task.tenant, more, now, add, (added) => (added.kept ? more : {}));
  if (!kept) return refuseSignal(env, task, linkId);
  background.waitUntil(announce(env, { released }, now));
  if (task.object & TOLD) background.waitUntil(tell(env, task, name, body, now));
}

async function refuseSignal(env: Env, { id }: TaskRow, linkId: string | null): Promise<never> {
  if (linkId !== null && (await isLinkUsed(env.DB, linkId))) {
    refuse("conflict", "This address was good for one signal, and has been used.");
  }
  const [task] = await readTasks(env.DB, [id]);
  if (!task) refuse("not-found", "There is no task with this id.");
  if (isTerminal(task.state)) refuse("conflict", `The task has ended: it is ${task.state}.`);
  refuse("conflict", `The task was sent ${MAX_SIGNALS} signals, the most that a task takes.`);
}

function refuse(name: ProblemName, detail: string): never {
  throw new ProblemError(problem(name, detail));
}

async function tell(env: Env, task: TaskRow, name: string, body: string, at: number): Promise<void> {
  const data = { name, body: JSON.parse(body) as unknown };
  await progressObject(env, task.id)
    .note(liveSnapshotOf(task), { type: "signal", at: new Date(at).toISOString(), data })
    .catch(() => undefined);
}
