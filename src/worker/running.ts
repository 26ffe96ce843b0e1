/**
 * The attempts that run in this isolate, whoever claimed them, and the one heartbeat that keeps all
 * of their leases. Only data is shared between invocations: each hears of its own attempts' stop
 * orders by looking here, because an invocation must not act in the context of another.
 */

import { CANCEL_POLL_MS, HEARTBEAT_MS } from "../core/limits.ts";
import { readStopOrders, renewLeases, type StopOrder } from "../results/leases.ts";

/** A running attempt as the isolate knows it. Instants are ms since the epoch. */
export interface RunningAttempt {
  readonly id: string;
  readonly attempt: number;
  readonly lane: string;
  /** What part of a handler's call it is. */
  readonly share: number;
  readonly claimedAt: number;
  /** What was last wanted of it. */
  order: StopOrder["reason"] | null;
  /** Whether anybody listens to its task, as far as it heard with its orders. */
  isWatched: boolean;
  /** Until when a cancelled handler may end by itself; null while it is not cancelled. */
  stopAt: number | null;
}

const running = new Set<RunningAttempt>();
let beatAt = 0;
let askedAt = 0;

/** An attempt younger than this has a fresh lease, and most end before they are worth a question. */
const YOUNG_MS = 700;

export function enter(attempt: RunningAttempt): void {
  running.add(attempt);
}

export function leave(attempt: RunningAttempt): void {
  running.delete(attempt);
}

/** How many handlers of a lane run here, about: parts of calls that ended in part count as well. */
export function runningIn(lane: string): number {
  let count = 0;
  for (const attempt of running) if (attempt.lane === lane) count += attempt.share;
  return count;
}

/**
 * Renews every lease of the isolate when a heartbeat is due, or else asks for stop orders. Called
 * often by every invocation; whoever comes first does it for all.
 */
export async function beat(env: Env): Promise<void> {
  const now = Date.now();
  const grown = [...running].filter((attempt) => now - attempt.claimedAt > YOUNG_MS);
  if (grown.length === 0) return;
  const held = grown.map(({ id, attempt }) => ({ id, attempt }));
  if (now - beatAt >= HEARTBEAT_MS) {
    beatAt = askedAt = now;
    obey(grown, await renewLeases(env.DB, held, now));
  } else if (now - askedAt >= CANCEL_POLL_MS) {
    askedAt = now;
    obey(grown, await readStopOrders(env.DB, held));
  }
}

function obey(attempts: RunningAttempt[], orders: StopOrder[]): void {
  // A task may be here twice: in an attempt that was fenced, and in the next one.
  const byAttempt = new Map(orders.map((order) => [`${order.id}/${order.attempt}`, order]));
  for (const attempt of attempts) {
    const order = byAttempt.get(`${attempt.id}/${attempt.attempt}`);
    if (!order) continue;
    attempt.order = order.reason;
    attempt.isWatched = order.object !== 0;
  }
}
