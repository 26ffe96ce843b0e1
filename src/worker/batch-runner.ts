/** One call of a batch's handler in an invocation of its own, and what became of each of its tasks. */

import { faultOfResults, type BatchContext } from "../core/batch.ts";
import type { TaskDefinition } from "../core/define-task.ts";
import { AttemptAborted } from "../core/errors.ts";
import { MAX_BATCH_RESULT_LENGTH } from "../core/limits.ts";
import type { Ending } from "../core/settle.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import type { Ran } from "./attempt-runner.ts";
import type { BatchControl } from "./batch-control.ts";
import { itemOf } from "./context.ts";
import type { StopReason } from "./control.ts";
import { checkOutput, givenTo, invalidOutput, withDelay } from "./endings.ts";
import { Reporter } from "./reporter.ts";

/** Calls shorter than this never ask whether anybody is to stop. */
const LISTEN_AFTER_MS = 100;

interface Member {
  task: ClaimedTask;
  abort: AbortController;
  reporter: Reporter;
  input: unknown;
  /** Known already where it cannot take part. */
  ending: Ending | null;
}

/** Calls the handler once for all of them. Never throws for what it does. */
export async function runTogether(
  env: Env,
  definition: TaskDefinition,
  tasks: ClaimedTask[],
  control: Pick<BatchControl, "stops">,
): Promise<Ran[]> {
  const members = tasks.map((task): Member => {
    return { task, abort: new AbortController(), reporter: new Reporter(env, task), input: undefined, ending: null };
  });
  const all = new AbortController();
  const listening = setTimeout(() => void listen(control, members, all), LISTEN_AFTER_MS);
  try {
    await Promise.all(members.map((member) => prepare(env, definition, member)));
    const called = members.filter((member) => member.ending === null);
    const endings = called.length === 0 ? [] : await handle(env, definition, called, all.signal);
    for (const [i, member] of called.entries()) member.ending = endings[i]!;
    return await Promise.all(members.map(resultOf));
  } finally {
    clearTimeout(listening);
  }
}

async function prepare(env: Env, definition: TaskDefinition, member: Member): Promise<void> {
  try {
    const given = await givenTo(env, definition, member.task);
    if (given.success) member.input = given.data;
    else member.ending = given.ending;
  } catch (thrown) {
    member.ending = withDelay(definition, member.task, thrown);
  }
}

async function handle(env: Env, definition: TaskDefinition, members: Member[], signal: AbortSignal): Promise<Ending[]> {
  const items = members.map(({ task, abort, reporter }) => itemOf(task, abort.signal, reporter));
  const ctx: BatchContext = {
    env,
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
    return bounded(await Promise.all(members.map(({ task }, i) => endingOf(definition, task, results[i]))));
  } catch (thrown) {
    return members.map(({ task }) => withDelay(definition, task, thrown));
  }
}

async function endingOf(definition: TaskDefinition, task: ClaimedTask, result: unknown): Promise<Ending> {
  if (result instanceof Error) return withDelay(definition, task, result);
  try {
    return await checkOutput(definition, result);
  } catch (thrown) {
    // A schema that throws is this one's error, too.
    return withDelay(definition, task, thrown);
  }
}

/** What is over the limit fails, and is tried again with fewer others. */
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

async function listen(control: Pick<BatchControl, "stops">, members: Member[], all: AbortController): Promise<void> {
  try {
    for (let known = 0; known < members.length;) {
      const stops = await control.stops(known);
      known += stops.length;
      for (const { place, reason } of stops) stop(members, members[place]!, reason, all);
    }
  } catch {
    // The supervisors are gone and the leases run out: whatever this call still does is fenced.
    for (const member of members) {
      stop(members, member, { cause: "lost", message: "the attempt lost its worker" }, all);
    }
  }
}

function stop(members: Member[], member: Member, reason: StopReason, all: AbortController): void {
  const { cause, message, isWatched = false } = reason;
  const aborted = new AttemptAborted(cause, message);
  member.abort.abort(aborted);
  if (cause === "cancelled" && (isWatched || member.reporter.used)) member.reporter.tellAcknowledged();
  if (members.every(({ abort, ending }) => abort.signal.aborted || ending !== null)) all.abort(aborted);
}
