/**
 * The doorbell: messages that carry ids, never state. A bell that is lost, repeated or late costs
 * time and never a task, so ringing never fails for its caller.
 */

import { BELLS_PER_SEND, type Lane } from "../core/limits.ts";
import { budgetOf } from "../core/plan.ts";

/** What a message on a lane's queue holds. */
export interface Bell {
  ids: string[];
}

export interface Ringing {
  id: string;
  lane: string;
}

const TRIES = 3;

/** The queue of each lane. */
export function queueOf(env: Env, lane: string): Queue<Bell> {
  const queues: Record<Lane, Queue> = {
    high: env.LANE_HIGH,
    default: env.LANE_DEFAULT,
    bulk: env.LANE_BULK,
    long: env.LANE_LONG,
  };
  return queues[lane as Lane] ?? env.LANE_DEFAULT;
}

/** Rings for these tasks, some ids to a message. A queue that refuses is left to the clock. */
export async function ringBells(env: Env, tasks: readonly Ringing[]): Promise<void> {
  const lanes = Map.groupBy(tasks, (task) => task.lane);
  await Promise.all(
    [...lanes].map(([lane, members]) => ringLane(queueOf(env, lane), members, budgetOf(env).idsPerBell)),
  );
}

async function ringLane(queue: Queue<Bell>, tasks: readonly Ringing[], idsPerBell: number): Promise<void> {
  const messages: MessageSendRequest<Bell>[] = [];
  for (let i = 0; i < tasks.length; i += idsPerBell) {
    messages.push({ body: { ids: tasks.slice(i, i + idsPerBell).map((task) => task.id) } });
  }
  for (let i = 0; i < messages.length; i += BELLS_PER_SEND) {
    await send(queue, messages.slice(i, i + BELLS_PER_SEND));
  }
}

async function send(queue: Queue<Bell>, messages: MessageSendRequest<Bell>[]): Promise<void> {
  for (let n = 1; ; n++) {
    try {
      await queue.sendBatch(messages);
      return;
    } catch (error) {
      if (n === TRIES) {
        console.warn(JSON.stringify({ event: "bells_refused", messages: messages.length, error: String(error) }));
        return;
      }
      await scheduler.wait(50 * n * n);
    }
  }
}

/** The ids of a bell; nothing where the message is not one of ours. */
export function idsOf(body: unknown): string[] {
  const ids = (body as Partial<Bell> | null)?.ids;
  return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === "string") : [];
}
