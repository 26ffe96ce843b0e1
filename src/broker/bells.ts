/**
 * Bells: queue messages that carry task ids, never state. A bell that is lost, repeated or late costs
 * time and never a task, so sending one never fails for its caller.
 */

import { log } from "../core/log.ts";
import { BELLS_PER_SEND, type Lane } from "../core/bounds.ts";
import { budgetOf } from "../core/plan.ts";
import type { Queued } from "../core/states.ts";

/** What a message on a lane's queue holds. */
export interface Bell {
  ids: string[];
}

/** A message on the queue of a lane's turns: portions of tasks wait in this lane. */
export interface Turn {
  turn: string;
  /** How many portions it is for; 1 where it is left out. */
  portions?: number;
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

/** The queue of a lane's turns. */
function turnsOf(env: Env, lane: string): Queue<Turn> {
  const queues: Record<Lane, Queue> = {
    high: env.TURNS_HIGH,
    default: env.TURNS_DEFAULT,
    bulk: env.TURNS_BULK,
    long: env.TURNS_LONG,
  };
  return queues[lane as Lane] ?? env.TURNS_DEFAULT;
}

/** A deployment may put its own name first, because all queues of an account share one namespace. */
const QUEUE_NAME = /(?:^|-)lovage-(turns-)?(high|default|bulk|long|dead)$/;

export function isLovageQueue(name: string): boolean {
  return QUEUE_NAME.test(name);
}

/** What a queue is for, by its name. */
export function roleOf(queue: string): { lane: string; isTurns: boolean } {
  const [, turns, lane = "default"] = QUEUE_NAME.exec(queue) ?? [];
  return { lane, isTurns: turns !== undefined };
}

/**
 * Sends the turns for so many portions of a lane: each starts the portions that are next when it arrives. It is for as many
 * portions as an event takes at most. The clock makes up for a queue that refuses.
 */
export async function sendTurns(env: Env, lane: string, portions: number, delaySeconds = 0): Promise<void> {
  const { attemptsPerEvent, quickPerEvent } = budgetOf(env);
  const each = Math.floor(quickPerEvent / attemptsPerEvent);
  const messages: MessageSendRequest<Turn>[] = [];
  for (let left = portions; left > 0; left -= each) {
    messages.push({ body: { turn: lane, portions: Math.min(left, each) }, delaySeconds });
  }
  const queue = turnsOf(env, lane);
  for (let i = 0; i < messages.length; i += BELLS_PER_SEND) await send(queue, messages.slice(i, i + BELLS_PER_SEND));
}

/**
 * Ids in a message where there are more tasks than an event starts: then the consumer sorts them into portions itself. They are
 * 3 KB.
 */
const IDS_OF_A_CROWD = 100;

/** Ids in one `sendBatch`, which takes 256 KB. */
const IDS_PER_SEND = 5_000;

/** Sends messages for these tasks, several ids in each. The clock makes up for a queue that refuses. */
export async function ringBells(env: Env, tasks: readonly Queued[]): Promise<void> {
  const lanes = Map.groupBy(tasks, (task) => task.lane);
  const { attemptsPerEvent, idsPerBell } = budgetOf(env);
  const idsFor = (count: number) => (count > attemptsPerEvent ? IDS_OF_A_CROWD : idsPerBell);
  await Promise.all([...lanes].map(([lane, members]) => ringLane(queueOf(env, lane), members, idsFor(members.length))));
}

async function ringLane(queue: Queue<Bell>, tasks: readonly Queued[], idsPerBell: number): Promise<void> {
  const messages: MessageSendRequest<Bell>[] = [];
  for (let i = 0; i < tasks.length; i += idsPerBell) {
    messages.push({ body: { ids: tasks.slice(i, i + idsPerBell).map((task) => task.id) } });
  }
  const perSend = Math.min(BELLS_PER_SEND, Math.floor(IDS_PER_SEND / idsPerBell));
  for (let i = 0; i < messages.length; i += perSend) await send(queue, messages.slice(i, i + perSend));
}

async function send<T>(queue: Queue<T>, messages: MessageSendRequest<T>[]): Promise<void> {
  for (let n = 1; ; n++) {
    try {
      await queue.sendBatch(messages);
      return;
    } catch (error) {
      if (n === TRIES) {
        log("bells_refused", { messages: messages.length, error });
        return;
      }
      await scheduler.wait(50 * n * n);
    }
  }
}

/** The lane of a turn; null where the message is no turn. */
export function laneOfTurn(body: unknown): string | null {
  const lane = (body as Partial<Turn> | null)?.turn;
  return typeof lane === "string" ? lane : null;
}

/** How many portions a turn is for. */
export function portionsOf(body: unknown): number {
  const portions = (body as Partial<Turn> | null)?.portions;
  return Number.isSafeInteger(portions) && portions! > 0 ? portions! : 1;
}

/** The ids of a bell; nothing where the message is not one of ours. */
export function idsOf(body: unknown): string[] {
  const ids = (body as Partial<Bell> | null)?.ids;
  return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === "string") : [];
}
