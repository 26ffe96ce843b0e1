/** Runs claimed tasks, up to the commit of each attempt's end. */

import { log } from "../core/log.ts";
import { budgetOf } from "../core/plan.ts";
import { fillFlowInputs } from "../engine/flows/input.ts";
import { untilWritten, writeCounts } from "../engine/stats/observe.ts";
import type { Attempt } from "./attempt.ts";
import { callsOf, sharedCall, type RunTogether } from "./batch-call.ts";
import { Committer } from "./committer.ts";
import { startApart } from "./hand-over.ts";
import { objectsFor } from "./place.ts";
import { runAttempt } from "./run-attempt.ts";
import { runBatch } from "./run-batch.ts";
import { beat, dequeue, enqueue } from "./running.ts";
import { within } from "../results/within.ts";
import { LOOK_EVERY_MS, supervise, type Call, type Frame } from "./supervise.ts";

/** How the handlers of tasks are called. */
export interface Handlers {
  one: Call;
  together: RunTogether;
}

export function handlersOf(env: Env): Handlers {
  return {
    one: async (attempt) => runAttempt(env, attempt),
    together: async (attempts) => runBatch(env, attempts),
  };
}

/** An attempt begins at most this long after its claim, or an object runs it. */
const BEGIN_WITHIN_MS = 150;

/** Characters of results that wait for their commit while other attempts may begin: an isolate has 128 MB. */
const RESULTS_LENGTH = 4_000_000;

/**
 * Runs these attempts, and renews the isolate's leases meanwhile. More than an event runs at once begin as others end, or are left
 * to objects where that takes long. `endBy`: when the platform cuts the event off, in ms since the epoch. Returns after how many
 * ms the last of them had ended; Infinity where some were left to objects. Never throws for what a handler or D1 does.
 *
 * One timer serves all attempts of the event. One timer for all events of the isolate is not possible: its callback runs in
 * the event that set it, where the platform refuses the requests and signals of another event.
 */
export async function workOff(
  env: Env,
  claimed: readonly Attempt[],
  endBy: number,
  handlers: Handlers = handlersOf(env),
): Promise<number> {
  if (claimed.length === 0) return 0;
  const startedAt = Date.now();
  const attempts = await withFlowInputs(env, claimed);
  let ended = Promise.withResolvers<void>();
  const frame: Frame = {
    committer: new Committer(env, endBy, attempts.length),
    endBy,
    looks: new Set(),
    ended: () => ended.resolve(),
  };
  let isBusy = false;
  const keepLeases = async () => {
    if (isBusy) return;
    isBusy = true;
    await beat(env).catch(beatFailed);
    if (untilWritten(Date.now()) === 0) await writeCounts(env);
    isBusy = false;
  };
  const timer = setInterval(() => {
    for (const look of frame.looks) look();
    void keepLeases();
  }, LOOK_EVERY_MS);
  const waiting = callsOf(attempts);
  for (const members of waiting) enqueue(members);
  const begun: Promise<void>[] = [];
  const hasMemory = () => frame.committer.length < RESULTS_LENGTH;
  const begin = () => {
    while (waiting.length > 0 && frame.looks.size < budgetOf(env).attemptsPerEvent && hasMemory()) {
      const members = waiting.shift()!;
      dequeue(members);
      begun.push(superviseAll(env, members, frame, handlers));
    }
  };
  begin();
  for (let left = BEGIN_WITHIN_MS; waiting.length > 0 && left > 0; left = startedAt + BEGIN_WITHIN_MS - Date.now()) {
    await within(ended.promise, left);
    ended = Promise.withResolvers();
    // The clock of an isolate stands still until it waits for something.
    await scheduler.wait(0);
    begin();
  }
  const left = objectsFor(env, waiting).map((tasks) => startApart(env, tasks).catch(notStarted));
  for (const members of waiting) dequeue(members);
  await Promise.all([...begun, ...left]);
  clearInterval(timer);
  return left.length > 0 ? Infinity : frame.committer.lastAt - startedAt;
}

/** Costs only time: their leases run out. */
function notStarted(error: unknown): void {
  log("object_not_reached", { error });
}

async function withFlowInputs(env: Env, attempts: readonly Attempt[]): Promise<readonly Attempt[]> {
  const tasks = await fillFlowInputs(
    env,
    attempts.map(({ task }) => task),
  );
  return attempts.map((attempt, i) => ({ ...attempt, task: tasks[i]! }));
}

async function superviseAll(env: Env, members: Attempt[], frame: Frame, handlers: Handlers): Promise<void> {
  const call = members[0]!.definition?.batch ? sharedCall(handlers.together) : handlers.one;
  await Promise.all(members.map((attempt) => supervise(env, attempt, frame, call, 1 / members.length)));
}

/** Not a fault yet: the next heartbeat comes soon. */
function beatFailed(error: unknown): void {
  log("beat_failed", { error });
}
