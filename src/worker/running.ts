/**
 * The attempts that run in this isolate, whichever event claimed them, and the one heartbeat that renews all of their
 * leases. Events share only data: each looks here for the stop orders of its own attempts, because an event must not act
 * in the context of another.
 */

import { leaseAt, pollAfter, renewAfter } from "../core/lease.ts";
import { budgetOf } from "../core/plan.ts";
import { TOLD } from "../core/wake.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { readStopOrders, renewLeases, type StopOrder } from "../results/leases.ts";
import { within } from "../results/within.ts";

/** A running attempt as the isolate knows it. Instants are ms since the epoch. */
export interface RunningAttempt {
  readonly id: string;
  readonly attempt: number;
  readonly lane: string;
  readonly tenant: string;
  /** Its part of a handler's call: 1, or 1/n in a call for n attempts. */
  readonly share: number;
  readonly claimedAt: number;
  /** The lease that its definition asks for, in ms; null for the default. */
  readonly leaseMs: number | null;
  /** When its lease is to be renewed. */
  renewAt: number;
  /** The last stop order for it. */
  order: StopOrder["reason"] | null;
  /** Whether its task has listeners, as of its claim or its last stop order. */
  isWatched: boolean;
  /** Until when a cancelled handler may end by itself; null while it is not cancelled. */
  stopAt: number | null;
}

const running = new Set<RunningAttempt>();

/** Claimed attempts that one call of a handler will run. */
type Call = readonly { task: Pick<ClaimedTask, "lane" | "tenant"> }[];

/** The calls that have not begun. */
const queued = new Set<Call>();

let askedAt = 0;

/** For younger attempts no stop orders are read: their lease is fresh, and most end before this. */
const FRESH_MS = 700;

/** Between two tries to renew a lease while D1 does not answer, at the least and at the most. */
const AGAIN_MS = { least: 500, most: 1_500 } as const;

/** After this long without an answer D1 is asked again: the answer may never come. */
const PATIENCE_MS = 2_000;

export function enter(attempt: RunningAttempt): void {
  running.add(attempt);
}

export function leave(attempt: RunningAttempt): void {
  running.delete(attempt);
}

/** Notes the attempts of a handler's call that begins later. */
export function enqueue(members: Call): void {
  queued.add(members);
}

export function dequeue(members: Call): void {
  queued.delete(members);
}

/** When the first lease of an attempt is to be renewed, in ms since the epoch. */
export function firstRenewal(claimedAt: number, ownMs: number | null): number {
  return claimedAt + renewAfter(leaseAt(0, ownMs));
}

/** How many handlers of a lane run here or are about to: a call counts by the share of its attempts that have not ended. */
export function runningIn(lane: string): number {
  let count = 0;
  for (const share of runningByTenant(lane).values()) count += share;
  return count;
}

/** How many handlers of a lane run here or are about to, for each tenant; a tenant without any is not in the map. */
export function runningByTenant(lane: string): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (own: string, tenant: string, share: number) => {
    if (own === lane) counts.set(tenant, (counts.get(tenant) ?? 0) + share);
  };
  for (const attempt of running) count(attempt.lane, attempt.tenant, attempt.share);
  for (const members of queued) for (const { task } of members) count(task.lane, task.tenant, 1 / members.length);
  return counts;
}

/**
 * Renews the leases that are due, and asks from time to time whether an attempt must stop. Every event calls this often;
 * the first call does it for the whole isolate. Throws where D1 does not answer; the next call tries again.
 */
export async function beat(env: Env): Promise<void> {
  const now = Date.now();
  const due = [...running].filter((attempt) => attempt.renewAt <= now);
  if (due.length > 0) await renew(env, due, now);
  const grown = [...running].filter((attempt) => now - attempt.claimedAt > FRESH_MS && !due.includes(attempt));
  const pollMs = Math.min(...grown.map((attempt) => pollAfter(now - attempt.claimedAt)));
  if (grown.length > 0 && now - askedAt >= pollMs * budgetOf(env).pollFactor) {
    askedAt = now;
    obey(grown, await answered(readStopOrders(env.DB, grown.map(heldOf))));
  }
}

async function renew(env: Env, due: RunningAttempt[], now: number): Promise<void> {
  const again = now + AGAIN_MS.least + Math.random() * (AGAIN_MS.most - AGAIN_MS.least);
  const renewals = due.map((attempt) => {
    attempt.renewAt = again;
    return { ...heldOf(attempt), until: now + leaseAt(now - attempt.claimedAt, attempt.leaseMs) };
  });
  const orders = await answered(renewLeases(env.DB, renewals));
  for (const [i, attempt] of due.entries()) attempt.renewAt = now + renewAfter(renewals[i]!.until - now);
  obey(due, orders);
}

function heldOf({ id, attempt }: RunningAttempt): { id: string; attempt: number } {
  return { id, attempt };
}

async function answered<T>(asked: Promise<T>): Promise<T> {
  const answer = await within(asked, PATIENCE_MS);
  if (answer === "late") throw new Error(`no answer within ${PATIENCE_MS} ms`);
  return answer;
}

function obey(attempts: RunningAttempt[], orders: StopOrder[]): void {
  // A task may be here twice: in an attempt that was fenced, and in the next one.
  const byAttempt = new Map(orders.map((order) => [`${order.id}/${order.attempt}`, order]));
  for (const attempt of attempts) {
    const order = byAttempt.get(`${attempt.id}/${attempt.attempt}`);
    if (!order) continue;
    attempt.order = order.reason;
    attempt.isWatched = (order.object & TOLD) !== 0;
  }
}
