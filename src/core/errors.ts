/**
 * What can go wrong in an attempt, as handlers throw it and as callers read it.
 */

import { durationMs, type Duration } from "./duration.ts";

/** A task's error on the wire. `stack` is shown only to keys with the `admin` scope. */
export interface TaskError {
  /** The error's class name, or one of ours: see {@link SYSTEM_ERRORS}. */
  type: string;
  message: string;
  data?: unknown;
  stack?: string;
}

/** Error types that the system itself gives. */
export const SYSTEM_ERRORS = [
  "timeout",
  "worker_lost",
  "dependency_failed",
  "cancelled",
  "expired",
  "invalid_output",
  "deadline_exceeded",
  "storage_full",
] as const;

/** Thrown by a handler: the task fails now, whatever attempts are left. */
export class NonRetryableError extends Error {
  override readonly name: string = "NonRetryableError";
  /** Anything JSON that helps the caller; becomes `error.data`. */
  readonly data: unknown;
  constructor(message: string, data?: unknown) {
    super(message);
    this.data = data;
  }
}

/** Thrown by a handler: the attempt failed, and the next one starts after exactly this delay. */
export class RetryAfterError extends Error {
  override readonly name = "RetryAfterError";
  readonly delayMs: number;
  readonly data: unknown;
  constructor(message: string, delay: Duration, data?: unknown) {
    super(message);
    this.delayMs = durationMs(delay);
    this.data = data;
  }
}

/** Thrown by `ctx.waitForSignal` when its timeout passed first. Unless it is caught, the attempt fails and the next one waits again. */
export class SignalTimeoutError extends Error {
  override readonly name = "SignalTimeoutError";
}

/**
 * Thrown by `ctx.join`, `ctx.call` and `ctx.callAll` when a child has ended without success. Its `data` says which child, and
 * why. Another attempt would get the same child, so unless the error is caught, the task fails.
 */
export class ChildFailedError extends NonRetryableError {
  override readonly name = "ChildFailedError";
  declare readonly data: { taskId: string; state: string; error: unknown };
  constructor(taskId: string, state: string, error: unknown) {
    super(`the child task ${taskId} ended ${state}`, { taskId, state, error });
  }
}

/** A handler's durable calls are not those of its earlier attempts: going on would give wrong results. */
export class StepMismatchError extends NonRetryableError {
  override readonly name = "StepMismatchError";
}

/** Why a handler's `ctx.signal` was aborted; its `reason` is one of these. */
export class AttemptAborted extends Error {
  override readonly name = "AttemptAborted";
  override readonly cause: "cancelled" | "soft_timeout" | "timeout" | "lost";
  constructor(cause: AttemptAborted["cause"], message: string) {
    super(message);
    this.cause = cause;
  }
}

/** Longest class name, message, stack and data, in characters, that are kept of an error. */
const MAX_TYPE = 200;
const MAX_MESSAGE = 4_000;
const MAX_STACK = 8_000;
const MAX_DATA = 16_000;

/** Any thrown thing as a {@link TaskError}, bounded in size. */
export function describeError(thrown: unknown): TaskError {
  if (!(thrown instanceof Error)) {
    return { type: "Error", message: clip(messageOf(thrown), MAX_MESSAGE) };
  }
  const error: TaskError = {
    type: clip(textOf(thrown.name) || "Error", MAX_TYPE),
    message: clip(textOf(thrown.message) || textOf(thrown.name), MAX_MESSAGE),
  };
  const data = "data" in thrown ? thrown.data : undefined;
  if (data !== undefined) {
    const text = stringify(data);
    error.data = text.length <= MAX_DATA ? (JSON.parse(text) as unknown) : { truncated: clip(text, 1_000) };
  }
  if (thrown.stack) error.stack = clip(textOf(thrown.stack), MAX_STACK);
  return error;
}

/** The message for a thrown value that is not an `Error`. */
function messageOf(thrown: unknown): string {
  if (thrown === undefined || thrown === null || thrown === "")
    return `the handler threw ${thrown === "" ? "an empty text" : thrown}; throw an Error that says what went wrong`;
  return typeof thrown === "string" ? thrown : stringify(thrown);
}

/** A handler may have put anything in the place of an error's texts. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : stringify(value);
}

function clip(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`;
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "null";
  } catch {
    return '"[not JSON]"';
  }
}
