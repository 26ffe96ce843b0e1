/** Sends a signal to a task that waits for it, or will. */

import { ProblemError, problem } from "../core/problems.ts";
import { isTerminal } from "../core/states.ts";
import { addSignal, countSignals, isLinkUsed, MAX_SIGNALS } from "../results/signals.ts";
import type { TaskRow } from "../results/task-row.ts";
import { announceReleased } from "./release.ts";
import type { Background } from "./store.ts";
import { progressObject } from "./tell.ts";

/** Two signals of the same moment want the same place; one of them takes the next. */
const TRIES = 20;

/** Keeps the signal (`body` is JSON text) and wakes the task. Throws a 409 problem where the task has ended. */
export async function signal(
  env: Env,
  background: Background,
  task: TaskRow,
  name: string,
  body: string,
  now: number,
  linkId: string | null = null,
): Promise<void> {
  const delivery = linkId ?? crypto.randomUUID();
  for (let n = 0; n < TRIES; n++) {
    const before = await countSignals(env.DB, task.id);
    if (before >= MAX_SIGNALS) break;
    const { kept, released } = await addSignal(env.DB, task.id, before + 1, name, body, now, delivery);
    if (kept) {
      background.waitUntil(announceReleased(env, released));
      if (task.object !== 0) background.waitUntil(tell(env, task.id, name, body, now));
      return;
    }
    if (linkId !== null && (await isLinkUsed(env.DB, linkId))) {
      throw new ProblemError(problem("conflict", "This address was good for one signal, and has been used."));
    }
    if (await hasEnded(env, task.id)) break;
  }
  const detail = isTerminal(task.state)
    ? `The task has ended: it is ${task.state}.`
    : `The task has ended meanwhile, or was sent ${MAX_SIGNALS} signals.`;
  throw new ProblemError(problem("conflict", detail));
}

async function hasEnded(env: Env, id: string): Promise<boolean> {
  const state = await env.DB.prepare("SELECT state FROM tasks WHERE id = ?1").bind(id).first<TaskRow["state"]>("state");
  return state === null || isTerminal(state);
}

async function tell(env: Env, id: string, name: string, body: string, at: number): Promise<void> {
  const data = { name, body: JSON.parse(body) as unknown };
  await progressObject(env, id)
    .note({ type: "signal", at: new Date(at).toISOString(), data })
    .catch(() => undefined);
}
