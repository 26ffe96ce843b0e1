/**
 * The consumer of the lanes' queues: claims the tasks of bells and turns, acknowledges them and returns. The attempts go on
 * without it: the lease guards the work, not the message, and a queue adds consumers only when a batch has ended.
 */

import { log } from "../core/log-events.ts";
import { idsOf, laneOfTurn, roleOf, sendTurns } from "../broker/bells.ts";
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
import { runningByTenant, runningIn } from "./running.ts";
import { within } from "../results/within.ts";
import { handlersOf, workOff, type Handlers } from "./work.ts";

/** Attempts of one lane that run side by side in an isolate; more wait. */
const MAX_RUNNING = 200;

/** Beyond them, attempts of tenants that have little running here. */
const KEPT_ROOM = 48;

/** How long a full isolate holds turns before it gives them back. */
const MAX_WAIT_MS = 2_000;

/** How long a turn that was given back too often rests. */
const DEAD_PAUSE_S = 30;

/** Bells that were given back too often end here: their tasks are the clock's again. Turns are sent anew. */
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
    // Their rows are due by themselves, only later.
  }
  const turns = Map.groupBy(batch.messages, (message) => laneOfTurn(message.body));
  for (const [lane, messages] of turns) {
    if (lane !== null) await sendTurns(env, lane, messages.length, DEAD_PAUSE_S);
  }
  batch.ackAll();
}

/** Never throws: a thrown error would have messages delivered again that were already acknowledged. */
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

/** Never waits: whoever is behind in the queue may have room where these have none. */
async function consumeBells(batch: MessageBatch<unknown>, event: Event): Promise<void> {
  const { env, lane } = event;
  const ids = [...new Set(batch.messages.flatMap((message) => idsOf(message.body)))];
  const room = roomIn(env, lane);
  if (ids.length <= room.most && room.except.length === 0) {
    await start(event, ids);
  } else {
    const { ids: taken, portions, done } = await sortBells(env, lane, ids, room);
    const started = done === null ? null : await start(event, taken, [done]);
    // Portions that somebody else has worked off already use up no turn: those behind them would have too few.
    if (started === 0) await sendTurns(env, lane, portions);
  }
  batch.ackAll();
}

/** Waits for room: these have a queue of their own. */
async function consumeTurns(batch: MessageBatch<unknown>, event: Event): Promise<void> {
  const { env, lane } = event;
  let room = roomIn(env, lane);
  let taken = await takeTurn(env, lane, room);
  if (taken.done === null && taken.isLeft && isCrowded(room)) {
    if (!(await hasRoom(lane))) return batch.retryAll({ delaySeconds: 1 });
    room = roomIn(env, lane);
    taken = await takeTurn(env, lane, room);
  }
  const [first, ...others] = batch.messages;
  if (taken.done !== null) {
    const started = await start(event, taken.ids, [taken.done]);
    // As above.
    if (started === 0 && taken.isLeft) first?.retry();
    else first?.ack();
  } else if (taken.isLeft) {
    // Others hold what is there. Should they have died, somebody must come back for it.
    first?.retry({ delaySeconds: Math.ceil(HOLD_MS / 1_000) });
  } else {
    first?.ack();
  }
  for (const message of others) message.retry();
}

/** Claims these and starts what was claimed; answers how many. */
async function start(
  { env, ctx, handlers }: Event,
  ids: string[],
  also: readonly D1PreparedStatement[] = [],
): Promise<number> {
  const { claimed, rates } = await claim(env, ids, Date.now(), also);
  const { here, apart } = placesOf(env, claimed);
  // Counted from here: whatever the claim took, the platform counts from the return of this handler.
  const endBy = Date.now() + EVENT_MS;
  ctx.waitUntil(workOff(env, here, endBy, handlers).then(() => writeLastCounts(env, endBy)));
  for (const tasks of apart) ctx.waitUntil(startApart(env, tasks).catch(notStarted));
  for (const key of rates) ctx.waitUntil(env.RATES.getByName(key, placed(env)).keep().catch(notStarted));
  return claimed.length;
}

/**
 * A full isolate keeps some room for tenants that have little running in it, so that none waits for another's long tasks
 * to end.
 */
function roomIn(env: Env, lane: string): Room {
  const { attemptsPerEvent: each } = budgetOf(env);
  const left = MAX_RUNNING - runningIn(lane);
  if (left > 0) return { most: each, except: [] };
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

/** The lease runs out, or the clock looks at who waits: it only takes longer. */
function notStarted(error: unknown): void {
  log("object_not_reached", { error });
}

/** What it may take to write counts. */
const WRITE_MS = 1_000;

/** Until when an event waits here to write what was counted; only so long, because the platform may have ended it. */
let lastUntil = 0;

/** Stays behind the work until what was counted is written. One event of an isolate does so for all. */
async function writeLastCounts(env: Env, endBy: number): Promise<void> {
  if (lastUntil > Date.now()) return;
  for (;;) {
    const wait = untilWritten(Date.now());
    if (wait === null) break;
    // What the event has no time to wait for is written now.
    const pause = Math.min(wait, Math.max(0, endBy - WRITE_MS - Date.now()));
    lastUntil = Date.now() + pause + WRITE_MS;
    await scheduler.wait(pause);
    if ((await within(writeCounts(env), WRITE_MS)) === "late") break;
  }
  lastUntil = 0;
}
