/** Queues what is due, and rings for what may not have been heard. */

import { ringBells, type Ringing } from "../broker/bells.ts";
import { startTasks } from "../results/due-tasks.ts";

/** Scheduled, retrying and sleeping tasks whose time has come are queued and rung for, unless their lane is held back. */
export async function start(env: Env, ids: string[], now: number, held: ReadonlyMap<string, unknown>): Promise<void> {
  if (ids.length === 0) return;
  const queued = await startTasks(env.DB, ids, now);
  await ringBells(
    env,
    queued.filter((task) => !held.has(task.lane)),
  );
}

/** Rings again for tasks that nobody came for. */
export async function ring(env: Env, tasks: Ringing[]): Promise<void> {
  if (tasks.length > 0) await ringBells(env, tasks);
}
