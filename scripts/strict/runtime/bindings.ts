/** A Worker's bindings. Each call counts towards the event that makes it, and is answered only while that event lives. */

import type { StrictConfig } from "../limits.ts";
import { StrictDatabase } from "./database.ts";
import { currentEvent, type PlatformEvent } from "./event.ts";
import type { D1Gate } from "./gate.ts";

/** The strict platform's own bindings, which the Worker does not see. */
interface OwnBindings {
  STRICT_GATE: DurableObjectNamespace<D1Gate>;
}

/** Marks the argument that passes the id of the calling event to a Worker that is called by binding. */
const CALLER = "strict:caller";

type Method = (...args: unknown[]) => Promise<unknown>;

const eventsById = new Map<string, PlatformEvent>();

/** The bindings of a Worker as the strict platform gives them to it. */
export function strictEnv<Bindings extends object>(env: Bindings, config: StrictConfig): Bindings {
  const gates = (env as unknown as OwnBindings).STRICT_GATE;
  const strict: Record<string, unknown> = {};
  for (const [name, binding] of Object.entries(env)) {
    if (name.startsWith("STRICT_")) continue;
    switch (config.bindings[name]) {
      case "d1":
        strict[name] = databaseOf(binding as D1Database, () => gates.getByName(name));
        break;
      case "object":
        strict[name] = strictNamespace(binding as DurableObjectNamespace);
        break;
      case "self":
        strict[name] = strictMethods(binding as object, true, true);
        break;
      case "service":
        strict[name] = strictMethods(binding as object, true, false);
        break;
      case "queue":
      case "fetcher":
        strict[name] = strictMethods(binding as object, false, false);
        break;
      case undefined:
        strict[name] = binding;
    }
  }
  return strict as Bindings;
}

const databases = new WeakMap<D1Database, StrictDatabase>();

/** One for all events of the isolate, as the binding is. */
function databaseOf(binding: D1Database, gate: () => DurableObjectStub<D1Gate>): StrictDatabase {
  const database = databases.get(binding) ?? new StrictDatabase(binding, gate);
  databases.set(binding, database);
  return database;
}

function strictNamespace(namespace: DurableObjectNamespace): DurableObjectNamespace {
  return new Proxy(namespace, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      const call = (...args: unknown[]) => Reflect.apply(member, target, args) as unknown;
      if (name === "get" || name === "getByName" || name === "getExisting") {
        return (...args: unknown[]) => strictMethods(call(...args) as object, false, false);
      }
      if (name === "jurisdiction")
        return (...args: unknown[]) => strictNamespace(call(...args) as DurableObjectNamespace);
      return call;
    },
  });
}

/** A stub, service or queue of which every method call counts towards the event. */
function strictMethods<T extends object>(binding: T, isInvocation: boolean, isSelf: boolean): T {
  return new Proxy(binding, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function" || name === "then" || name === "connect") return member;
      return async (...args: unknown[]) => {
        const method = Reflect.get(target, name, target) as Method;
        const event = currentEvent();
        if (event === null) return Reflect.apply(method, target, args);
        return event.answer(async () => {
          event.spend("subrequests");
          if (isInvocation) event.spend("invocations");
          if (!isSelf || name === "fetch") return Reflect.apply(method, target, args);
          eventsById.set(event.id, event);
          return Reflect.apply(method, target, [{ [CALLER]: event.id }, ...args]);
        });
      };
    },
  });
}

/** The calling event that was passed to a Worker called by binding, and the arguments without it. */
export function callerOf(args: unknown[]): { caller: PlatformEvent | null; rest: unknown[] } {
  const [first, ...rest] = args as [{ [CALLER]?: string } | undefined, ...unknown[]];
  const id = typeof first === "object" && first !== null ? first[CALLER] : undefined;
  return id === undefined ? { caller: null, rest: args } : { caller: eventsById.get(id) ?? null, rest };
}

/** Forgets an event that is over: no Worker that it called looks it up any more. */
export function forget(event: PlatformEvent): void {
  eventsById.delete(event.id);
}
