/**
 * The aftermath of every change: rings for what is queued, wakes the clock in time, tells listeners, counts, and delivers what
 * webhooks are owed. A verb hands over what its statement answered, and decides none of that itself.
 *
 * All of it is owed by the rows as well (`due_at`, the outbox, the limits that have room). An invocation that dies in here
 * makes it later, not lost.
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

/** Raised keys that are rung for at once, a statement each; the clock rings for the rest. */
const MAX_RAISED = 50;

/** When the clock looks again at ends that could not be delivered. */
const AGAIN_MS = 2_000;

const NONE: ReadonlyMap<string, unknown> = new Map();

/**
 * Does what follows from `changes`, which were made at `now` (ms since the epoch). Nobody is rung for in the lanes of `held`.
 * Throws only where D1 does not answer who comes next for a free slot.
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
    // Of what was released only its end is told: a listener sees a start by itself.
    tellObjects(env, [...moved, ...released.filter(({ state }) => isTerminal(state))].flatMap(told)),
    deliver(env, owed),
  ]);
  if (isUnwritten) await writeCounts(env);
}

function told({ id, state, object }: Change): { id: string; state: State; object: number }[] {
  return object === undefined ? [] : [{ id, state, object }];
}

/**
 * Rings for these, and with them for those that may start now because there is more room under such keys: what is asked for
 * together is claimed in the order in which it waits, so nothing overtakes.
 */
async function ringInTurn(env: Env, tasks: readonly Queued[], raised: readonly string[]): Promise<void> {
  const before = await readNextWaiters(env.DB, raised.slice(0, MAX_RAISED)).catch(() => []);
  await ringBells(env, [...new Map([...before, ...tasks].map((task) => [task.id, task])).values()]);
}

/**
 * Rings for new tasks that start together with others, where their batch is whole now: once for a batch, not once for each.
 * The clock rings for the rest, whose timers stand where their wait ends.
 */
async function ringWhole(env: Env, gathering: readonly Queued[]): Promise<void> {
  if (gathering.length === 0) return;
  const ids = gathering.map((task) => task.id);
  await ringBells(env, await readWhole(env.DB, ids).catch(() => gathering));
}

/** Rings for those that waited for a slot under these keys. */
async function ringNext(env: Env, freed: readonly string[]): Promise<void> {
  if (freed.length > 0) await ringBells(env, await readNextWaiters(env.DB, freed));
}

async function deliver(env: Env, owed: readonly OwedId[]): Promise<void> {
  const { deliveries, failed } = await expandFor(env, owed);
  if (deliveries.length > 0) await announce(env, { moved: deliveries });
  if (failed) await pokeClock(env, Date.now() + AGAIN_MS);
}
