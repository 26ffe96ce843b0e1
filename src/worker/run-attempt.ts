/** Runs the handler of one attempt and returns its ending. */

import type { TaskDefinition } from "../core/task.ts";
import { UNKNOWN_TASK_MS, UNKNOWN_TASK_TRIES } from "../core/bounds.ts";
import { log } from "../core/log.ts";
import { endingOf, type Ending } from "../core/settle.ts";
import type { Undoing } from "../core/undo.ts";
import { triedInVain } from "../results/task-row.ts";
import { holdBack } from "../results/limits/buckets.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { Attempt } from "./attempt.ts";
import { createContext } from "./context.ts";
import type { AttemptControl } from "./control.ts";
import { Durable } from "./durable.ts";
import type { Scrubber } from "../core/secret.ts";
import { checkOutput, givenTo, scrubbed, withDelay } from "./endings.ts";
import { Reporter } from "./reporter.ts";
import { RateLimited, Snoozed } from "./snoozed.ts";

/** The ending of an attempt, and what its row keeps of it. */
export interface Ran {
  ending: Ending;
  /** JSON text of the last progress. */
  progress: string | null;
  /** Whether the attempt used the progress object. */
  used: boolean;
}

/** The warning in the log of a task whose handler returns before its durable calls do. */
const LEFT_BEHIND =
  "the handler returned while a durable call was under way: await every ctx.step, ctx.sleep, ctx.waitForSignal and ctx.spawn, or its outcome is lost";

/** One of this many tries of an unknown task is logged: one in five minutes. */
const LOGGED_EACH = 30;

/** Runs the handler to its end. Never throws for what a handler does. */
export async function runAttempt(env: Env, { task, definition, bounds, control }: Attempt): Promise<Ran> {
  if (!definition) return { ending: unknownTask(task), progress: null, used: false };
  const reporter = new Reporter(env, task);
  control.signal.addEventListener("abort", () => acknowledge(control, reporter));
  // A durable task has no total limit: past half of an attempt's time limit, the next step runs in a new attempt.
  const yieldAfter = task.startedAt + bounds.hardMs / 2;
  const durable = new Durable(env, task, control.signal, yieldAfter, reporter, () => control.undoable());
  const ending = await handle(env, definition, task, control.signal, reporter, durable);
  durable.close();
  await reporter.finish();
  return {
    ending,
    progress: reporter.progress === null ? null : JSON.stringify(reporter.progress),
    used: reporter.used || durable.used,
  };
}

/** Reports to the task's listeners that its handler's signal was aborted by a cancel. */
export function acknowledge({ reason }: AttemptControl, reporter: Reporter): void {
  if (reason?.cause === "cancelled" && (reason.isWatched || reporter.used)) reporter.tellAcknowledged();
}

async function handle(
  env: Env,
  definition: TaskDefinition,
  task: ClaimedTask,
  signal: AbortSignal,
  reporter: Reporter,
  durable: Durable,
): Promise<Ending> {
  let scrubber: Scrubber | null = null;
  try {
    const input = await givenTo(env, definition, task);
    if (!input.success) return input.ending;
    ({ scrubber } = input);
    reporter.scrubber = scrubber;
    const context = createContext(env, task, signal, reporter, durable);
    if (task.undo !== null) {
      const replay = async () => definition.run(input.data, context);
      const undone = await durable.undo(replay);
      const failures = scrubber === null ? undone : scrubber.value(undone);
      return { outcome: "undone", undoing: JSON.parse(task.undo) as Undoing, failures };
    }
    const run = async () => {
      const output = await definition.run(input.data, context);
      if (durable.isUnderWay) reporter.tellLog("warn", LEFT_BEHIND, undefined);
      return checkOutput(env, definition, task.tenant, output);
    };
    return scrubbed(await Promise.race([run(), durable.suspended]), scrubber);
  } catch (thrown) {
    // The undoing has failed, not the handler: the definition's retry does not apply.
    if (task.undo !== null) return scrubbed(endingOf(thrown), scrubber);
    if (thrown instanceof RateLimited) await holdBack(env.DB, task.id, task.attempt, Date.now() + thrown.delayMs);
    if (thrown instanceof Snoozed) return { outcome: "snoozed", delayMs: thrown.delayMs };
    return scrubbed(withDelay(definition, task, thrown), scrubber);
  }
}

function unknownTask(task: ClaimedTask): Ending {
  const inVain = triedInVain(task) + 1;
  const triesLeft = Math.max(0, UNKNOWN_TASK_TRIES - inVain);
  if (inVain % LOGGED_EACH === 1 || triesLeft === 0) {
    log("task_unknown", { taskId: task.id, attempt: task.attempt, task: task.task, triesLeft });
  }
  if (triesLeft > 0) return { outcome: "snoozed", delayMs: UNKNOWN_TASK_MS, inVain };
  const error = { type: "UnknownTaskError", message: `no task is called ${task.task} in this deployment` };
  return { outcome: "failed", error, retryable: false };
}
