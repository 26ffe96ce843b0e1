/** What a handler gets beside its input. */

import { durationMs, type Duration } from "../core/duration.ts";
import type { BatchItem } from "../core/task.ts";
import type { TaskContext } from "../core/task.ts";
import type { ClaimedTask } from "../results/claim-tasks.ts";
import { assertSignalName } from "../core/signal-name.ts";
import { userBindings } from "../engine/bindings.ts";
import { signCallback } from "../engine/keys/links.ts";
import { jsonOf } from "../results/task-row.ts";
import type { Durable } from "./durable.ts";
import type { Reporter } from "./reporter.ts";
import { RateLimited, Snoozed } from "./snoozed.ts";

/** The part of the context that each task has, alone or in a batch. */
export function itemOf(task: ClaimedTask, signal: AbortSignal, reporter: Reporter): BatchItem {
  return {
    id: task.id,
    attempt: task.attempt,
    maxAttempts: task.maxAttempts,
    signal,
    tags: jsonOf<Record<string, string>>(task.tags) ?? {},
    parentId: task.parentId,
    rootId: task.rootId ?? task.id,
    flowId: task.flowId,
    traceparent: task.traceparent,
    progress: (done, total = null, message = null, data = null) => reporter.tellProgress(done, total, message, data),
    log: (message, data, level = "info") => reporter.tellLog(level, message, data),
    output: (chunk) => reporter.tellOutput(chunk),
  };
}

export function createContext(
  env: Env,
  task: ClaimedTask,
  signal: AbortSignal,
  reporter: Reporter,
  durable: Durable,
): TaskContext {
  return {
    ...itemOf(task, signal, reporter),
    env: userBindings(env),
    tenant: task.tenant,
    step: (name, fn, options) => durable.step(name, fn, options),
    sleep: (until) => durable.sleep(until),
    waitForSignal: (name, options) => durable.waitForSignal(name, options),
    callbackUrl: async (name, { expiresIn = "1d" } = {}) => {
      assertSignalName(name);
      return signCallback(env, task, name, Date.now() + durationMs(expiresIn));
    },
    spawn: (of, input, options) => durable.spawn(of, input, options),
    join: (child) => durable.join(child) as Promise<never>,
    call: async (of, input, options) => (await durable.callAll(of, [input], options))[0] as never,
    callAll: (of, inputs, options) => durable.callAll(of, inputs, options) as Promise<never[]>,
    snooze: (delay: Duration): never => {
      throw new Snoozed(durationMs(delay));
    },
    rateLimited: (delay: Duration): never => {
      throw new RateLimited(durationMs(delay));
    },
  };
}
