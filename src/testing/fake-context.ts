/** A handler's context that remembers what the handler reported. */

import type { BatchItem } from "../core/task.ts";
import type { LogLevel, TaskContext } from "../core/task.ts";
import { durationMs } from "../core/duration.ts";
import { assertSignalName } from "../core/signal-name.ts";
import { plain, type FakeDurable } from "./fake-durable.ts";

/** The id of a task whose test gives it none. */
export const FAKE_ID = "task_00000000000000000000000000";

/** What the handler is told of its task. */
export interface ContextOptions {
  id?: string;
  /** Number of the attempt, 1 unless given. */
  attempt?: number;
  maxAttempts?: number;
  /** The bindings that the handler uses. */
  env?: Partial<Env>;
  /** Aborts when the attempt is to stop; never unless given. */
  signal?: AbortSignal;
  tenant?: string;
  tags?: Record<string, string>;
  parentId?: string | null;
  rootId?: string;
  flowId?: string | null;
  traceparent?: string | null;
}

/** What the handler reported through its context. */
export interface Told {
  progress: { done: number; total: number | null; message: string | null; data: unknown }[];
  logs: { level: LogLevel; message: string; data: unknown }[];
  outputs: unknown[];
}

/** Thrown by the fake `ctx.snooze` and `ctx.rateLimited`. */
export class Snoozed extends Error {
  readonly delayMs: number;
  constructor(delayMs: number) {
    super("the handler gave its attempt back");
    this.delayMs = delayMs;
  }
}

export function nothingTold(): Told {
  return { progress: [], logs: [], outputs: [] };
}

/** The members of the context that belong to one task, also in a batch. */
export function fakeItem(options: ContextOptions, told: Told): BatchItem {
  const { id = FAKE_ID } = options;
  return {
    id,
    attempt: options.attempt ?? 1,
    maxAttempts: options.maxAttempts ?? 3,
    signal: options.signal ?? new AbortController().signal,
    tags: options.tags ?? {},
    parentId: options.parentId ?? null,
    rootId: options.rootId ?? id,
    flowId: options.flowId ?? null,
    traceparent: options.traceparent ?? null,
    progress: (done, total = null, message = null, data = null) => {
      told.progress.push({ done, total, message, data: plain(data) });
    },
    log: (message, data = null, level = "info") => void told.logs.push({ level, message, data: plain(data) }),
    output: (chunk) => void told.outputs.push(plain(chunk)),
  };
}

export function fakeContext(options: ContextOptions, durable: FakeDurable, told: Told): TaskContext {
  const item = fakeItem(options, told);
  return {
    ...item,
    env: (options.env ?? {}) as Env,
    tenant: options.tenant ?? "default",
    step: async (name, fn, how) => durable.step(name, fn, how),
    sleep: async (until) => durable.sleep(until),
    waitForSignal: async (name, how) => durable.waitForSignal(name, how),
    callbackUrl: async (name) => {
      assertSignalName(name);
      return `https://lovage.test/v1/tasks/${item.id}/signals/${encodeURIComponent(name)}`;
    },
    spawn: async (task, input, how) => durable.spawn(task, input, how),
    join: async (child) => (await durable.join(child)) as never,
    call: async (task, input, how) => (await durable.join(await durable.spawn(task, input, how))) as never,
    callAll: async (task, inputs, how) => {
      const children = await Promise.all(inputs.map(async (input) => durable.spawn(task, input, how)));
      return (await Promise.all(children.map(async (child) => durable.join(child)))) as never[];
    },
    snooze: (delay) => {
      throw new Snoozed(durationMs(delay));
    },
    rateLimited: (delay) => {
      throw new Snoozed(durationMs(delay));
    },
  };
}
