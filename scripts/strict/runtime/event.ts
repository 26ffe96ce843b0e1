/** One event: what it has used, and whether the platform has ended it. The asynchronous context tells in which event code runs. */

import { AsyncLocalStorage } from "node:async_hooks";
import type { KindRecord } from "../counts.ts";
import type { EventLimits } from "../limits.ts";
import { recordOf } from "./records.ts";

/** The platform's error messages for an event that exceeds a limit. */
const REFUSALS = {
  statements: "D1_ERROR: Too many API requests by single Worker invocation.",
  subrequests: "Too many subrequests by single Worker invocation.",
  invocations: "Too many subrequests by single Worker invocation.",
} as const;

const running = new AsyncLocalStorage<PlatformEvent>();

export class PlatformEvent {
  readonly id = crypto.randomUUID();
  readonly limits: EventLimits;
  readonly connections: Connections;
  readonly #record: KindRecord;
  readonly #used = { statements: 0, subrequests: 0, invocations: 0 };
  readonly #afterMs: number;
  readonly #startedAt = Date.now();
  readonly #cut = new AbortController();
  #returnedAt: number | null = null;
  #pending = 0;
  #settled = Promise.withResolvers<void>();

  /** `afterMs`: how long the event lives on after its handler returned. `connections`: given where it shares those of others. */
  constructor(kind: string, limits: EventLimits, afterMs: number, connections = new Connections(limits.connections)) {
    this.limits = limits;
    this.#record = recordOf(kind);
    this.#record.events += 1;
    this.#afterMs = afterMs;
    this.connections = connections;
  }

  /** Aborts once the platform has ended the event. */
  get signal(): AbortSignal {
    return this.#cut.signal;
  }

  get isOver(): boolean {
    if (!this.#cut.signal.aborted && this.#returnedAt !== null && Date.now() > this.#returnedAt + this.#afterMs) {
      this.cutOff("afterReturn");
    }
    return this.#cut.signal.aborted;
  }

  /** Whether a promise that was passed to `waitUntil` is pending. */
  get hasPending(): boolean {
    return this.#pending > 0;
  }

  /** Resolves when no such promise is pending any more. */
  async idle(): Promise<void> {
    while (this.#pending > 0) await this.#settled.promise;
  }

  /** Counts a use. Throws the platform's error when the limit is exceeded. */
  spend(what: keyof typeof REFUSALS, count = 1): void {
    const used = this.#used[what] + count;
    if (used > this.limits[what]) {
      this.#record.met[what] += 1;
      throw new Error(REFUSALS[what]);
    }
    this.#used[what] = used;
    this.#record.most[what] = Math.max(this.#record.most[what], used);
  }

  /** Takes a connection, for a request that waits for its headers; resolves, once one is free, to a function that gives it back. */
  async connect(): Promise<() => void> {
    if (this.connections.isFull) this.#record.waited += 1;
    const release = await this.connections.take();
    this.#record.most.connections = Math.max(this.#record.most.connections, this.connections.taken);
    return release;
  }

  /** Passes on the answer of a binding; never resolves if the event is over by then. */
  async answer<T>(call: () => Promise<T>): Promise<T> {
    if (this.isOver) return forever();
    try {
      const answered = await call();
      return this.isOver ? await forever() : answered;
    } catch (error) {
      if (this.isOver) return forever();
      throw error;
    } finally {
      this.#noteActivity();
    }
  }

  /** Called when its handler has returned. */
  returned(): void {
    if (this.#returnedAt !== null) return;
    this.#returnedAt = Date.now();
    this.#lasted("handlerMs", this.#returnedAt - this.#startedAt);
  }

  /** Adds a promise for which the event lives on after its handler. */
  waitFor(promise: Promise<unknown>): Promise<unknown> {
    this.#pending += 1;
    return promise.finally(() => {
      this.#pending -= 1;
      this.#settled.resolve();
      this.#settled = Promise.withResolvers();
      this.#noteActivity();
    });
  }

  /** Ends the event, as the platform does at this limit. */
  cutOff(limit: "handler" | "afterReturn"): void {
    if (this.#cut.signal.aborted) return;
    this.#record.met[limit] += 1;
    this.#lasted(`${limit}Ms`, limit === "handler" ? Date.now() - this.#startedAt : this.#afterMs);
    this.#cut.abort(new Error(`the platform ended the event: ${limit}`));
  }

  #noteActivity(): void {
    if (this.#returnedAt !== null)
      this.#lasted("afterReturnMs", Math.min(Date.now() - this.#returnedAt, this.#afterMs));
  }

  #lasted(what: "handlerMs" | "afterReturnMs", ms: number): void {
    this.#record.most[what] = Math.max(this.#record.most[what], ms);
  }
}

/** The connections of an event and of the Workers that it calls, or of all events of an object. */
export class Connections {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get isFull(): boolean {
    return this.taken >= this.#most;
  }

  async take(): Promise<() => void> {
    if (this.isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.taken += 1;
    let isGivenBack = false;
    return () => {
      if (isGivenBack) return;
      isGivenBack = true;
      const next = this.#waiting.shift();
      if (next) next();
      else this.taken -= 1;
    };
  }
}

/** Runs `handler` as the event. */
export function within<T>(event: PlatformEvent, handler: () => T): T {
  return running.run(event, handler);
}

/** The event that the caller runs in; null where an object is constructed. */
export function currentEvent(): PlatformEvent | null {
  return running.getStore() ?? null;
}

async function forever(): Promise<never> {
  return new Promise<never>(() => {});
}
