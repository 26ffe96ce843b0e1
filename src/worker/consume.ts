/**
 * The worker node: a bell rings, the tasks are claimed, the message is acknowledged, and the work
 * goes on. The lease guards the work, not the message.
 */

import { idsOf } from "../broker/bells.ts";
import { pokeClock } from "../broker/poke.ts";
import { claim } from "../engine/claim.ts";
import { fillFlowInputs } from "../engine/flow-input.ts";
import { untilWritten, writeCounts } from "../engine/observe.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { makeDue } from "../results/due-tasks.ts";
import { callsOf, sharedCall } from "./batch-call.ts";
import { Committer } from "./committer.ts";
import { findDefinition } from "./definitions.ts";
import { beat, runningIn } from "./running.ts";
import { supervise } from "./supervise.ts";
import { keepTurns } from "./turns.ts";

/** Attempts of one lane that run side by side in an isolate; more wait in the queue. */
const MAX_RUNNING = 200;

/** Ids claimed in one statement. */
const CHUNK = 100;

const BEAT_EVERY_MS = 250;

/** How long a full isolate holds bells before it gives them back. */
const MAX_WAIT_MS = 60_000;

const LANE_OF_QUEUE = /^lovage-([a-z]+)$/;

/** Bells that nobody could answer end here: their tasks are the clock's again. */
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
export async function consume(batch: MessageBatch<unknown>, env: Env, ctx: ExecutionContext): Promise<void> {
  const lane = LANE_OF_QUEUE.exec(batch.queue)?.[1] ?? "default";
  const works: Promise<unknown>[] = [];
  const starter = { hasRoom: () => runningIn(lane) < MAX_RUNNING, work: (tasks: ClaimedTask[]) => workOff(env, tasks) };
  const ids = [...new Set(batch.messages.flatMap((message) => idsOf(message.body)))];
  try {
    for (let i = 0; i < ids.length; i += CHUNK) {
      if (!(await hasRoom(lane))) {
        batch.retryAll({ delaySeconds: 5 });
        return;
      }
      const { claimed, rates } = await claim(env, ids.slice(i, i + CHUNK));
      const work = Promise.all([workOff(env, claimed), ...rates.map((key) => keepTurns(env, key, starter))]);
      ctx.waitUntil(work.then(() => writeLastCounts(env)));
      works.push(work);
    }
    batch.ackAll();
    // The platform lets a consumer run for 15 minutes, but promises less of that to what is left behind
    // in `waitUntil`. Where one process is everything nothing is cut off, and one long task must not hold up the next.
    if (lane === "long" && env.BOOT_AT === undefined) await Promise.all(works);
  } catch (error) {
    console.warn(JSON.stringify({ event: "claim_failed", lane, ids: ids.length, error: String(error) }));
    batch.retryAll({ delaySeconds: 2 });
  }
}

async function hasRoom(lane: string): Promise<boolean> {
  const until = Date.now() + MAX_WAIT_MS;
  while (runningIn(lane) >= MAX_RUNNING) {
    if (Date.now() > until) return false;
    await scheduler.wait(20);
  }
  return true;
}

/** Runs claimed tasks side by side, and beats while any of them runs. */
async function workOff(env: Env, claimed: ClaimedTask[]): Promise<void> {
  if (claimed.length === 0) return;
  const tasks = await fillFlowInputs(env, claimed);
  const committer = new Committer(env);
  let open = true;
  const keepAlive = async () => {
    while (open) {
      await scheduler.wait(BEAT_EVERY_MS);
      if (open) await beat(env).catch(beatFailed);
      if (untilWritten(Date.now()) === 0) await writeCounts(env);
    }
  };
  void keepAlive();
  const calls = callsOf(tasks, (name) => findDefinition(name, env));
  await Promise.all(calls.map((members) => superviseAll(env, members, committer)));
  open = false;
}

async function superviseAll(env: Env, members: ClaimedTask[], committer: Committer): Promise<void> {
  const { batch = null } = findDefinition(members[0]!.task, env) ?? {};
  const call = batch === null ? undefined : sharedCall(env);
  await Promise.all(members.map((task) => supervise(env, task, committer, call, 1 / members.length)));
}

/** Until when somebody waits here to write what was counted; only so long, because the platform may have ended them. */
let lastUntil = 0;

/** Stays behind the work until what was counted is written. One of an isolate does so for all. */
async function writeLastCounts(env: Env): Promise<void> {
  if (lastUntil > Date.now()) return;
  for (;;) {
    const wait = untilWritten(Date.now());
    if (wait === null) break;
    lastUntil = Date.now() + wait + BEAT_EVERY_MS;
    await scheduler.wait(wait);
    await writeCounts(env);
  }
  lastUntil = 0;
}

/** Not a fault yet: the next beat comes soon, and three fit into a lease. */
function beatFailed(error: unknown): void {
  console.warn(JSON.stringify({ event: "beat_failed", error: String(error) }));
}
