/**
 * The consumer of the lanes' queues: claims the tasks that bells and turns name, acknowledges the messages and returns. The
 * attempts go on after that: the lease guards the work, not the message, and a queue adds consumers only when a batch has ended.
 */

import { log } from "../core/log.ts";
import { idsOf, laneOfTurn, portionsOf, roleOf, sendTurns } from "../broker/bells.ts";
import { pokeClock } from "../broker/poke.ts";
import { EVENT_MS } from "../core/bounds.ts";
import { placed } from "../core/location.ts";
import { budgetOf } from "../core/plan.ts";
import { claim } from "../engine/claim.ts";
import { sortBells, takeTurn, type Room } from "../engine/lanes/turns.ts";
import { untilWritten, writeCounts } from "../engine/stats/observe.ts";
import { makeDue } from "../results/due-tasks.ts";
import { HOLD_MS } from "../results/lanes/portions.ts";
import { startApart } from "./hand-over.ts";
import { placesOf } from "./place.ts";
import { isQuick, noteDuration } from "./quick.ts";
import { runningByTenant, runningIn } from "./running.ts";
import { within } from "../results/within.ts";
import { handlersOf, workOff, type Handlers } from "./work.ts";

/** Attempts of one lane that run at once in an isolate; more wait. */
const MAX_RUNNING = 200;

/** Attempts beyond {@link MAX_RUNNING} that are kept for tenants with few attempts in this isolate. */
const KEPT_ROOM = 48;

/** How long a full isolate holds turns before it gives them back. */
const MAX_WAIT_MS = 2_000;

/** Delay before a turn that was given back too often is sent again. */
const DEAD_PAUSE_S = 30;

/** The consumer of the dead-letter queue. Makes the tasks of its bells due, so that the clock looks at them; sends its turns again. */
export async function consumeDead(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  log("dead_bells", { messages: batch.messages.length });
  const now = Date.now();
  try {
    await makeDue(
      env.DB,
      batch.messages.flatMap((message) => idsOf(message.body)),
      now,
    );
    await pokeClock(env, now);
  } catch {
    // The rows become due without this, only later.
  }
  const turns = Map.groupBy(batch.messages, (message) => laneOfTurn(message.body));
  for (const [lane, messages] of turns) {
    const portions = messages.reduce((sum, { body }) => sum + portionsOf(body), 0);
    if (lane !== null) await sendTurns(env, lane, portions, DEAD_PAUSE_S);
  }
  batch.ackAll();
}

/** Never throws: after an error the queue would deliver acknowledged messages again. */
export async function consume(
  batch: MessageBatch<unknown>,
  env: Env,
  ctx: ExecutionContext,
  handlers: Handlers = handlersOf(env),
): Promise<void> {
  const { lane, isTurns } = roleOf(batch.queue);
  const event: Event = { env, ctx, handlers, lane };
  try {
    if (isTurns) await consumeTurns(batch, event);
    else await consumeBells(batch, event);
  } catch (error) {
    log("claim_failed", { queue: batch.queue, bells: batch.messages.length, error });
    batch.retryAll({ delaySeconds: 2 });
  }
}

interface Event {
  env: Env;
  ctx: ExecutionContext;
  handlers: Handlers;
  lane: string;
}

/** Never waits for room: a later message in the queue may be of a tenant that has room. */
async function consumeBells(batch: MessageBatch<unknown>, event: Event): Promise<void> {
  const { env, lane } = event;
  const ids = [...new Set(batch.messages.flatMap((message) => idsOf(message.body)))];
  const room = roomIn(env, lane);
  if (ids.length <= room.most && room.except.length === 0) {
    await start(event, ids);
  } else {
    const { ids: taken, portions, done } = await sortBells(env, lane, ids, room);
    const started = done === null ? null : await start(event, taken, [done]);
    // Another consumer has already started these portions, so they must not use up a turn: later portions would have too few.
    if (started === 0) await sendTurns(env, lane, portions);
  }
  batch.ackAll();
}

/** Waits for room: turns have a queue of their own, so they hold up no bells. */
async function consumeTurns(batch: MessageBatch<unknown>, event: Event): Promise<void> {
  const { env, lane } = event;
  const [first, ...others] = batch.messages;
  const turns = portionsOf(first?.body);
  let room = roomIn(env, lane, turns);
  let taken = await takeTurn(env, lane, room);
  if (taken.done === null && taken.isLeft && isCrowded(room)) {
    if (!(await hasRoom(lane))) return batch.retryAll({ delaySeconds: 1 });
    room = roomIn(env, lane, turns);
    taken = await takeTurn(env, lane, room);
  }
  if (taken.done !== null) {
    const started = await start(event, taken.ids, [taken.done]);
    // As above: where another consumer has started these portions, they use up no turn.
    const open = taken.isLeft ? turns - (started === 0 ? 0 : taken.portions) : 0;
    await sendTurns(env, lane, open);
    first?.ack();
  } else if (taken.isLeft) {
    // Other consumers hold the portions that are left. If those died, this turn must come again.
    first?.retry({ delaySeconds: Math.ceil(HOLD_MS / 1_000) });
  } else {
    first?.ack();
  }
  for (const message of others) message.retry();
}

/** Claims these tasks and starts the claimed ones; returns how many. */
async function start(
  { env, ctx, handlers, lane }: Event,
  ids: string[],
  also: readonly D1PreparedStatement[] = [],
): Promise<number> {
  const { claimed, rates } = await claim(env, ids, Date.now(), also);
  const { here, apart } = placesOf(env, claimed);
  // From here and not from before the claim: the platform counts from the return of this handler.
  const endBy = Date.now() + EVENT_MS;
  const work = async () => {
    const ms = await workOff(env, here, endBy, handlers);
    if (here.length > 0) noteDuration(env, lane, ms);
    await writeLastCounts(env, endBy);
  };
  ctx.waitUntil(work());
  for (const tasks of apart) ctx.waitUntil(startApart(env, tasks).catch(notStarted));
  for (const key of rates) ctx.waitUntil(env.RATES.getByName(key, placed(env)).keep().catch(notStarted));
  return claimed.length;
}

/**
 * The room for this event, which has so many turns. A full isolate keeps some for tenants that have few attempts in it, so that no
 * tenant waits for another's long tasks.
 */
function roomIn(env: Env, lane: string, turns = Infinity): Room {
  const { attemptsPerEvent: each, quickPerEvent } = budgetOf(env);
  const left = MAX_RUNNING - runningIn(lane);
  if (left > 0) return { most: isQuick(env, lane) ? Math.min(quickPerEvent, turns * each) : each, except: [] };
  const except = [...runningByTenant(lane)].flatMap(([tenant, count]) => (count >= each ? [tenant] : []));
  return { most: Math.max(0, Math.min(each, left + KEPT_ROOM)), except };
}

function isCrowded({ most, except }: Room): boolean {
  return most === 0 || except.length > 0;
}

async function hasRoom(lane: string): Promise<boolean> {
  const until = Date.now() + MAX_WAIT_MS;
  while (runningIn(lane) >= MAX_RUNNING) {
    if (Date.now() > until) return false;
    await scheduler.wait(20);
  }
  return true;
}

/** Costs only time: the lease runs out, or the clock looks at the waiters. */
function notStarted(error: unknown): void {
  log("object_not_reached", { error });
}

/** Longest time that writing counts may take. */
const WRITE_MS = 1_000;

/** Until when an event of this isolate waits to write counts. It has an end because the platform may have ended that event. */
let lastUntil = 0;

/** Keeps the event alive after its work until the counts are written. One event of an isolate does so for all. */
async function writeLastCounts(env: Env, endBy: number): Promise<void> {
  if (lastUntil > Date.now()) return;
  for (;;) {
    const wait = untilWritten(Date.now());
    if (wait === null) break;
    // An event that has no time left to wait writes at once.
    const pause = Math.min(wait, Math.max(0, endBy - WRITE_MS - Date.now()));
    lastUntil = Date.now() + pause + WRITE_MS;
    await scheduler.wait(pause);
    if ((await within(writeCounts(env), WRITE_MS)) === "late") break;
  }
  lastUntil = 0;
}
