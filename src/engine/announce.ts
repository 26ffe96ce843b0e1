/**
 * What follows from every change: sends queue messages for queued tasks, sets the clock, notifies progress objects, counts
 * ends and attempts, and stores the webhook deliveries that are owed. A verb passes what its statement returned, and decides
 * none of this itself.
 *
 * The rows record all of it as well (`due_at`, the outbox, the limits with free slots). If an invocation dies here, the work
 * is done later; none is lost.
 */

import { ringBells } from "../broker/bells.ts";
import { pokeClock } from "../broker/poke.ts";
import { isTerminal, type Queued, type State } from "../core/states.ts";
import { earliest } from "../core/wake.ts";
import type { Change, Changes } from "../results/changes.ts";
import { readWhole } from "../results/claim-batches.ts";
import { readNextWaiters } from "../results/limits/slots.ts";
import type { OwedId } from "../results/webhooks/owed.ts";
import { tellObjects } from "./events/tell.ts";
import { observe, writeCounts } from "./stats/observe.ts";
import { expandFor } from "./webhooks/expand.ts";

/** For this many raised keys, messages for their waiters are sent at once, by a statement for each key; the clock handles the rest. */
const MAX_RAISED = 50;

/** When the clock looks again at ends that could not be delivered. */
const AGAIN_MS = 2_000;

const NONE: ReadonlyMap<string, unknown> = new Map();

/**
 * Does what follows from `changes`, which were made at `now` (ms since the epoch). Sends no messages for moved or released
 * tasks in the lanes of `held`. Throws only where D1 does not answer which waiter is next for a free slot.
 */
export async function announce(env: Env, changes: Changes, now = Date.now(), held = NONE): Promise<void> {
  const { moved = [], released = [], ring = [], owed = [], freed = [], raised = [], lookAt = null } = changes;
  const isUnwritten = observe(moved, now);
  const queued = [...moved, ...released].filter(({ state, lane }) => state === "queued" && !held.has(lane));
  const gathering = queued.filter(({ batch }) => batch);
  const alone = [...queued.filter(({ batch }) => !batch), ...ring];
  const next = earliest([lookAt, ...moved.map(({ dueAt }) => dueAt), ...released.map(({ dueAt }) => dueAt)]);
  await Promise.all([
    ringInTurn(env, alone, raised),
    ringWhole(env, gathering),
    ringNext(env, freed),
    next === null ? null : pokeClock(env, next),
    // The object of a released task is notified only of its end: a listener learns of a start without that.
    tellObjects(env, [...moved, ...released.filter(({ state }) => isTerminal(state))].flatMap(told)),
    deliver(env, owed),
  ]);
  if (isUnwritten) await writeCounts(env);
}

function told({ id, state, object }: Change): { id: string; state: State; object: number }[] {
  return object === undefined ? [] : [{ id, state, object }];
}

/**
 * Sends messages for these tasks, and with them for the waiters that may start now because their keys were raised. Tasks of
 * one message are claimed in the order in which they wait, so no new task overtakes a waiter.
 */
async function ringInTurn(env: Env, tasks: readonly Queued[], raised: readonly string[]): Promise<void> {
  const before = await readNextWaiters(env.DB, raised.slice(0, MAX_RAISED)).catch(() => []);
  await ringBells(env, [...new Map([...before, ...tasks].map((task) => [task.id, task])).values()]);
}

/**
 * Sends messages for those of these new batch tasks whose batch is complete now: once for a batch, not once for each task.
 * The clock does so for the rest, whose timers are set to the end of their batch's wait.
 */
async function ringWhole(env: Env, gathering: readonly Queued[]): Promise<void> {
  if (gathering.length === 0) return;
  const ids = gathering.map((task) => task.id);
  await ringBells(env, await readWhole(env.DB, ids).catch(() => gathering));
}

/** Sends messages for the next waiters for a slot under these keys. */
async function ringNext(env: Env, freed: readonly string[]): Promise<void> {
  if (freed.length > 0) await ringBells(env, await readNextWaiters(env.DB, freed));
}

async function deliver(env: Env, owed: readonly OwedId[]): Promise<void> {
  const { deliveries, failed } = await expandFor(env, owed);
  if (deliveries.length > 0) await announce(env, { moved: deliveries });
  if (failed) await pokeClock(env, Date.now() + AGAIN_MS);
}
