/** Calls the handler of a batch once, and returns the ending of each of its tasks. */

import { faultOfResults } from "../core/batch.ts";
import type { BatchContext } from "../core/task.ts";
import type { TaskDefinition } from "../core/task.ts";
import { MAX_BATCH_RESULT_LENGTH } from "../core/bounds.ts";
import type { Scrubber } from "../core/secret.ts";
import type { Ending } from "../core/settle.ts";
import { userBindings } from "../engine/bindings.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { Attempt } from "./attempt.ts";
import { itemOf } from "./context.ts";
import type { AttemptControl } from "./control.ts";
import { checkOutput, givenTo, invalidOutput, scrubbed, withDelay } from "./endings.ts";
import { Reporter } from "./reporter.ts";
import { acknowledge, type Ran } from "./run-attempt.ts";

interface Member {
  task: ClaimedTask;
  control: AttemptControl;
  reporter: Reporter;
  input: unknown;
  scrubber: Scrubber | null;
  /** Set before the call where the task cannot take part. */
  ending: Ending | null;
}

/** Calls the handler once for all of these attempts; returns their results in order. Never throws for what the handler does. */
export async function runBatch(env: Env, attempts: readonly Attempt[]): Promise<Ran[]> {
  const definition = attempts[0]!.definition!;
  const members = attempts.map(({ task, control }): Member => {
    return { task, control, reporter: new Reporter(env, task), input: undefined, scrubber: null, ending: null };
  });
  const all = new AbortController();
  for (const { control, reporter } of members) {
    control.signal.addEventListener("abort", () => {
      acknowledge(control, reporter);
      stopTogether(members, all);
    });
  }
  await Promise.all(members.map((member) => prepare(env, definition, member)));
  const called = members.filter((member) => member.ending === null);
  // While inputs were read, the last member that takes part may have been stopped.
  stopTogether(members, all);
  const endings = called.length === 0 ? [] : await handle(env, definition, called, all.signal);
  for (const [i, member] of called.entries()) member.ending = scrubbed(endings[i]!, member.scrubber);
  return Promise.all(members.map(resultOf));
}

/** Aborts the signal of the whole call once every member that takes part was told to stop. */
function stopTogether(members: readonly Member[], all: AbortController): void {
  const last = members.find(({ control }) => control.signal.aborted);
  if (last === undefined || all.signal.aborted) return;
  if (members.every(({ control, ending }) => control.signal.aborted || ending !== null)) {
    all.abort(last.control.signal.reason);
  }
}

async function prepare(env: Env, definition: TaskDefinition, member: Member): Promise<void> {
  try {
    const given = await givenTo(env, definition, member.task);
    if (!given.success) {
      member.ending = given.ending;
      return;
    }
    member.input = given.data;
    member.scrubber = given.scrubber;
    member.reporter.scrubber = given.scrubber;
  } catch (thrown) {
    member.ending = withDelay(definition, member.task, thrown);
  }
}

async function handle(env: Env, definition: TaskDefinition, members: Member[], signal: AbortSignal): Promise<Ending[]> {
  const items = members.map(({ task, control, reporter }) => itemOf(task, control.signal, reporter));
  const ctx: BatchContext = {
    env: userBindings(env),
    tenant: members[0]!.task.tenant,
    signal,
    items,
    progress: (...said) => items.forEach((item) => item.progress(...said)),
    log: (...said) => items.forEach((item) => item.log(...said)),
  };
  const inputs = members.map((member) => member.input);
  try {
    const returned = await definition.batch!.run(inputs, ctx);
    const fault = faultOfResults(returned, inputs.length);
    if (fault !== null) return members.map(() => invalidOutput(fault));
    const results = returned as unknown[];
    return bounded(await Promise.all(members.map(({ task }, i) => endingOfResult(env, definition, task, results[i]))));
  } catch (thrown) {
    const endings = members.map(({ task }) => withDelay(definition, task, thrown));
    // The error is shared by all members and may quote the input of each.
    const shared = members.reduce((ending, { scrubber }) => scrubbed(ending, scrubber), endings[0]!);
    return "error" in shared ? endings.map((ending) => ({ ...ending, error: shared.error }) as Ending) : endings;
  }
}

async function endingOfResult(
  env: Env,
  definition: TaskDefinition,
  task: ClaimedTask,
  result: unknown,
): Promise<Ending> {
  if (result instanceof Error) return withDelay(definition, task, result);
  try {
    return await checkOutput(env, definition, task.tenant, result);
  } catch (thrown) {
    // An output schema that throws fails this member alone.
    return withDelay(definition, task, thrown);
  }
}

/** Fails the results beyond the limit; their tasks are retried, with fewer in one call. */
function bounded(endings: Ending[]): Ending[] {
  let length = 0;
  return endings.map((ending) => {
    if (ending.outcome !== "succeeded") return ending;
    if (length + ending.result.length <= MAX_BATCH_RESULT_LENGTH) {
      length += ending.result.length;
      return ending;
    }
    const message = `the results of a call may be ${MAX_BATCH_RESULT_LENGTH} characters together. Make the batch smaller`;
    return { outcome: "failed", error: { type: "ResultTooLargeError", message }, retryable: true };
  });
}

async function resultOf({ ending, reporter }: Member): Promise<Ran> {
  await reporter.finish();
  const progress = reporter.progress === null ? null : JSON.stringify(reporter.progress);
  return { ending: ending!, progress, used: reporter.used };
}
