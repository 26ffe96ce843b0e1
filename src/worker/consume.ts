/**
 * The consumer of the lanes' queues: claims the tasks of a bell, acknowledges it and returns. The attempts go on without
 * it: the lease guards the work, not the message, and a queue adds consumers only when a batch has ended.
 */

import { idsOf, ringBells } from "../broker/bells.ts";
import { pokeClock } from "../broker/poke.ts";
import { EVENT_MS } from "../core/limits.ts";
import { placed } from "../core/location.ts";
import { budgetOf } from "../core/plan.ts";
import { claim } from "../engine/claim.ts";
import { untilWritten, writeCounts } from "../engine/observe.ts";
import { makeDue } from "../results/due-tasks.ts";
import { startApart } from "./hand-over.ts";
import { placesOf } from "./place.ts";
import { runningIn } from "./running.ts";
import { within } from "../results/within.ts";
import { handlersOf, workOff, type Handlers } from "./work.ts";

/** Attempts of one lane that run side by side in an isolate; more wait in the queue. */
const MAX_RUNNING = 200;

/** How long a full isolate holds bells before it gives them back. */
const MAX_WAIT_MS = 2_000;

const LANE_OF_QUEUE = /^lovage-([a-z]+)$/;

/** Bells that were given back too often end here: their tasks are the clock's again. */
export async function consumeDead(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  console.warn(JSON.stringify({ event: "dead_bells", messages: batch.messages.length }));
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
  batch.ackAll();
}

/** Never throws: a thrown error would have messages delivered again that were already acknowledged. */
export async function consume(
  batch: MessageBatch<unknown>,
  env: Env,
  ctx: ExecutionContext,
  handlers: Handlers = handlersOf(env),
): Promise<void> {
  const lane = LANE_OF_QUEUE.exec(batch.queue)?.[1] ?? "default";
  if (!(await hasRoom(lane))) {
    batch.retryAll({ delaySeconds: 1 });
    return;
  }
  const { ids, taken, left, rest } = shareOf(batch.messages, budgetOf(env).attemptsPerEvent);
  for (const message of left) message.retry();
  try {
    const { claimed, rates } = await claim(env, ids);
    const { here, apart } = placesOf(env, claimed);
    // Counted from here: whatever the claim took, the platform counts from the return of this handler.
    const endBy = Date.now() + EVENT_MS;
    ctx.waitUntil(workOff(env, here, endBy, handlers).then(() => writeLastCounts(env, endBy)));
    for (const tasks of apart) ctx.waitUntil(startApart(env, tasks).catch(notStarted));
    for (const key of rates) ctx.waitUntil(env.RATES.getByName(key, placed(env)).keep().catch(notStarted));
    if (rest.length > 0) {
      const bells = rest.map((id) => ({ id, lane }));
      ctx.waitUntil(ringBells(env, bells));
    }
    for (const message of taken) message.ack();
  } catch (error) {
    console.warn(JSON.stringify({ event: "claim_failed", lane, ids: ids.length, error: String(error) }));
    for (const message of taken) message.retry({ delaySeconds: 2 });
  }
}

/** What one event takes of a batch of bells. */
interface Share {
  /** To claim. */
  ids: string[];
  taken: Message[];
  /** Bells that are left to another event. */
  left: Message[];
  /** Ids of the bells that were taken that are too many for this event. */
  rest: string[];
}

function shareOf(messages: readonly Message[], most: number): Share {
  const ids = new Set<string>();
  const taken: Message[] = [];
  const left: Message[] = [];
  for (const message of messages) {
    if (ids.size >= most) {
      left.push(message);
      continue;
    }
    for (const id of idsOf(message.body)) ids.add(id);
    taken.push(message);
  }
  const all = [...ids];
  return { ids: all.slice(0, most), taken, left, rest: all.slice(most) };
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
  console.warn(JSON.stringify({ event: "object_not_reached", error: String(error) }));
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
