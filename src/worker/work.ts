/** Runs claimed tasks side by side, to the commits of their attempts' ends. */

import { log } from "../core/log-events.ts";
import { fillFlowInputs } from "../engine/flows/input.ts";
import { untilWritten, writeCounts } from "../engine/stats/observe.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { callsOf, sharedCall, type RunTogether } from "./batch-call.ts";
import { Committer } from "./committer.ts";
import { findDefinition } from "./definitions.ts";
import { runAttempt } from "./run-attempt.ts";
import { runBatch } from "./run-batch.ts";
import { beat } from "./running.ts";
import { supervise, type Call, type Frame } from "./supervise.ts";

const BEAT_EVERY_MS = 250;

/** How the handlers of tasks are called. */
export interface Handlers {
  one: Call;
  together: RunTogether;
}

export function handlersOf(env: Env): Handlers {
  return {
    one: async (task, control) => runAttempt(env, task, control),
    together: async (attempts) => runBatch(env, attempts),
  };
}

/**
 * Runs these attempts, and keeps the isolate's leases meanwhile. `endBy`: when the platform cuts the event off, in ms
 * since the epoch. Never throws for what a handler or D1 does.
 */
export async function workOff(
  env: Env,
  claimed: ClaimedTask[],
  endBy: number,
  handlers: Handlers = handlersOf(env),
): Promise<void> {
  if (claimed.length === 0) return;
  const tasks = await fillFlowInputs(env, claimed);
  const frame = { committer: new Committer(env, endBy), endBy };
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
  await Promise.all(calls.map((members) => superviseAll(env, members, frame, handlers)));
  open = false;
}

async function superviseAll(env: Env, members: ClaimedTask[], frame: Frame, handlers: Handlers): Promise<void> {
  const { batch = null } = findDefinition(members[0]!.task, env) ?? {};
  const call = batch === null ? handlers.one : sharedCall(handlers.together);
  await Promise.all(members.map((task) => supervise(env, task, frame, call, 1 / members.length)));
}

/** Not a fault yet: the next heartbeat comes soon. */
function beatFailed(error: unknown): void {
  log("beat_failed", { error });
}
