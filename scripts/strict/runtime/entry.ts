/** The built Worker's exports, wrapped so that each incoming call is an event with production's limits. */

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import type { Records } from "../counts.ts";
import type { StrictConfig } from "../limits.ts";
import { callerOf, forget, strictEnv } from "./bindings.ts";
import { Connections, currentEvent, PlatformEvent, within } from "./event.ts";
import { limitNetwork } from "./network.ts";
import { readRecords, resetRecords } from "./records.ts";

type AnyClass = new (ctx: never, env: never) => object;
type AnyMethod = (this: object, ...args: unknown[]) => unknown;
type Aborting = { abort(reason?: unknown): void };
type Handlers = Required<Pick<ExportedHandler<object>, "fetch" | "queue" | "scheduled">>;

/** The property in which an object keeps the connections that all of its events share. */
const CONNECTIONS = Symbol("connections");

limitNetwork();

/** Serves the counts of this isolate. */
export class StrictReport extends WorkerEntrypoint {
  async read(): Promise<Records> {
    return readRecords();
  }

  async reset(): Promise<void> {
    resetRecords();
  }
}

export function strictHandlers(handlers: Handlers, config: StrictConfig): ExportedHandler<object> {
  const { limits } = config;
  return {
    async fetch(request, env, ctx) {
      const event = begin("fetch", config, ctx);
      const response = await within(event, () => handlers.fetch(request, strictEnv(env, config), ctx));
      return untilSent(response, request.signal, event, () => finish(event, ctx));
    },
    async queue(batch, env, ctx) {
      const event = begin("queue", config, ctx);
      await timed(event, limits.handlerMs, ctx, () => handlers.queue(batch, strictEnv(env, config), ctx));
      finish(event, ctx);
    },
    async scheduled(controller, env, ctx) {
      const event = begin("scheduled", config, ctx);
      await timed(event, limits.handlerMs, ctx, () => handlers.scheduled(controller, strictEnv(env, config), ctx));
      finish(event, ctx);
    },
  };
}

/** An entrypoint that the script's own bindings call: an invocation that shares its caller's connections. */
export function strictEntrypoint(Base: AnyClass, name: string, config: StrictConfig): AnyClass {
  const Strict = class extends (Base as new (ctx: ExecutionContext, env: object) => object) {
    constructor(ctx: ExecutionContext, env: object) {
      super(ctx, strictEnv(env, config));
      watch(ctx);
    }
  };
  for (const [key, method] of methodsOf(Base, WorkerEntrypoint)) {
    define(Strict, key, async function (...args) {
      if (currentEvent() !== null) return method.apply(this, args);
      const { caller, rest } = callerOf(args);
      const event = new PlatformEvent(
        `${name}.${key}`,
        config.limits,
        config.limits.afterReturnMs,
        caller?.connections,
      );
      try {
        return await within(event, () => method.apply(this, rest));
      } finally {
        finish(event, (this as { ctx: ExecutionContext }).ctx);
      }
    });
  }
  return Strict;
}

/** An object's class: each call from outside is an event of its own. */
export function strictObject(Base: AnyClass, name: string, config: StrictConfig): AnyClass {
  const { limits } = config;
  const Strict = class extends (Base as new (ctx: DurableObjectState, env: object) => object) {
    readonly [CONNECTIONS] = new Connections(limits.connections);

    constructor(ctx: DurableObjectState, env: object) {
      watch(ctx);
      super(ctx, strictEnv(env, config));
    }
  };
  for (const [key, method] of methodsOf(Base, DurableObject)) {
    define(Strict, key, async function (...args) {
      // The object calls its own method, within the same event.
      if (currentEvent() !== null) return method.apply(this, args);
      const { ctx, [CONNECTIONS]: connections } = this as { ctx: DurableObjectState; [CONNECTIONS]: Connections };
      const event = new PlatformEvent(`${name}.${key}`, limits, limits.objectMs, connections);
      const run = async () => method.apply(this, args);
      try {
        return await (key === "alarm" ? timed(event, limits.alarmMs, ctx, run) : within(event, run));
      } finally {
        event.returned();
      }
    });
  }
  return Strict;
}

function begin(kind: string, config: StrictConfig, ctx: ExecutionContext): PlatformEvent {
  const event = new PlatformEvent(kind, config.limits, config.limits.afterReturnMs);
  watch(ctx, event);
  return event;
}

/** Runs a handler for at most `ms`; after that it ends its invocation, or its object. */
async function timed<T>(event: PlatformEvent, ms: number, ctx: Aborting, handler: () => T | Promise<T>): Promise<T> {
  const limit = setTimeout(() => end(event, "handler", ctx), ms);
  try {
    return await within(event, handler);
  } finally {
    clearTimeout(limit);
  }
}

/** Called when the handler has returned: starts the time limit for what it left to `waitUntil`. */
function finish(event: PlatformEvent, ctx: ExecutionContext): void {
  event.returned();
  forget(event);
  setTimeout(() => end(event, "afterReturn", ctx), event.limits.afterReturnMs);
}

function end(event: PlatformEvent, limit: "handler" | "afterReturn", ctx: Aborting): void {
  if (limit === "afterReturn" && !event.hasPending) return;
  event.cutOff(limit);
  ctx.abort(event.signal.reason);
}

/** Tells the event of each promise that is passed to `waitUntil`. */
function watch(ctx: ExecutionContext | DurableObjectState, event: PlatformEvent | null = null): void {
  const waitUntil = ctx.waitUntil.bind(ctx);
  Object.defineProperty(ctx, "waitUntil", {
    configurable: true,
    value: (promise: Promise<unknown>) => {
      const owner = event ?? currentEvent();
      waitUntil(owner === null ? promise : owner.waitFor(Promise.resolve(promise)));
    },
  });
}

/** Calls `sent` once the response has left, or its client has: a stream or a socket goes on after the handler returned it. */
function untilSent(response: Response, client: AbortSignal, event: PlatformEvent, sent: () => void): Response {
  client.addEventListener("abort", sent);
  if (response.status === 101) {
    void event.idle().then(sent);
    return response;
  }
  const isStream = (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
  if (!isStream || response.body === null) {
    sent();
    return response;
  }
  const { readable, writable } = new IdentityTransformStream();
  void response.body.pipeTo(writable).then(sent, sent);
  return new Response(readable, response);
}

function methodsOf(Base: AnyClass, root: object): Map<string, AnyMethod> {
  const methods = new Map<string, AnyMethod>();
  for (let type: object = Base; type !== root && type !== Function.prototype; type = Object.getPrototypeOf(type)) {
    const { prototype } = type as { prototype: object };
    for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (key !== "constructor" && typeof value === "function" && !methods.has(key)) methods.set(key, value);
    }
  }
  return methods;
}

function define(Strict: AnyClass, key: string, value: AnyMethod): void {
  Object.defineProperty(Strict.prototype, key, { value, configurable: true, writable: true });
}
