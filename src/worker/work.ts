/** Runs claimed tasks at once, up to the commit of each attempt's end. */

import { log } from "../core/log.ts";
import { fillFlowInputs } from "../engine/flows/input.ts";
import { untilWritten, writeCounts } from "../engine/stats/observe.ts";
import type { Attempt } from "./attempt.ts";
import { callsOf, sharedCall, type RunTogether } from "./batch-call.ts";
import { Committer } from "./committer.ts";
import { runAttempt } from "./run-attempt.ts";
import { runBatch } from "./run-batch.ts";
import { beat } from "./running.ts";
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

/**
 * Runs these attempts, and renews the isolate's leases meanwhile. `endBy`: when the platform cuts the event off, in ms
 * since the epoch. Never throws for what a handler or D1 does.
 *
 * One timer serves all attempts of the event. One timer for all events of the isolate is not possible: its callback runs in
 * the event that set it, where the platform refuses the requests and signals of another event.
 */
export async function workOff(
  env: Env,
  claimed: readonly Attempt[],
  endBy: number,
  handlers: Handlers = handlersOf(env),
): Promise<void> {
  if (claimed.length === 0) return;
  const attempts = await withFlowInputs(env, claimed);
  const frame: Frame = { committer: new Committer(env, endBy, attempts.length), endBy, looks: new Set() };
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
  await Promise.all(callsOf(attempts).map((members) => superviseAll(env, members, frame, handlers)));
  clearInterval(timer);
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
