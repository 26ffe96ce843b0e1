/** A Worker's bindings, each call of which counts for the event that makes it and is answered as long as that event lives. */

import type { StrictConfig } from "../limits.ts";
import { StrictDatabase } from "./database.ts";
import { currentEvent, type PlatformEvent } from "./event.ts";
import type { D1Gate } from "./gate.ts";

/** The strict platform's own bindings, which the Worker does not see. */
interface OwnBindings {
  STRICT_GATE: DurableObjectNamespace<D1Gate>;
}

/** Marks the argument by which a Worker called by binding learns of the event that calls it. */
const CALLER = "strict:caller";

type Method = (...args: unknown[]) => Promise<unknown>;

const eventsById = new Map<string, PlatformEvent>();

/** `outside` counts what happens in no event. */
export function strictEnv<Bindings extends object>(env: Bindings, config: StrictConfig): Bindings {
  const gates = (env as unknown as OwnBindings).STRICT_GATE;
  const strict: Record<string, unknown> = {};
  for (const [name, binding] of Object.entries(env)) {
    if (name.startsWith("STRICT_")) continue;
    switch (config.bindings[name]) {
      case "d1":
        strict[name] = new StrictDatabase(binding as D1Database, gates.getByName(name));
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

/** A stub, service or queue whose every method is a call of the event. */
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

/** The caller's event that a Worker called by binding was told, and the arguments without it. */
export function callerOf(args: unknown[]): { caller: PlatformEvent | null; rest: unknown[] } {
  const [first, ...rest] = args as [{ [CALLER]?: string } | undefined, ...unknown[]];
  const id = typeof first === "object" && first !== null ? first[CALLER] : undefined;
  return id === undefined ? { caller: null, rest: args } : { caller: eventsById.get(id) ?? null, rest };
}

/** The event is over: nothing that it calls needs to find it any more. */
export function forget(event: PlatformEvent): void {
  eventsById.delete(event.id);
}
