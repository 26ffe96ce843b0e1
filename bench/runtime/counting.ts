/**
 * The built Worker with its calls to D1, queues and objects counted, by the origin of the call. `GET /__counts` returns them. Its objects
 * live in the same isolate, and so share the counts.
 */
import worker, * as classes from "built-worker";

/** `clock`: costs that depend on time and not on tasks. */
type Origin = "tasks" | "clock";

type Counts = {
  statements: number;
  roundTrips: number;
  rowsRead: number;
  rowsWritten: number;
  messages: number;
  objectRequests: number;
};

const none = (): Counts => ({
  statements: 0,
  roundTrips: 0,
  rowsRead: 0,
  rowsWritten: 0,
  messages: 0,
  objectRequests: 0,
});

const counts: Record<Origin, Counts> = { tasks: none(), clock: none() };

class CountedStatement {
  readonly inner: D1PreparedStatement;
  readonly own: Counts;

  constructor(inner: D1PreparedStatement, own: Counts) {
    this.inner = inner;
    this.own = own;
  }

  bind(...values: unknown[]): CountedStatement {
    return new CountedStatement(this.inner.bind(...values), this.own);
  }

  async all(): Promise<D1Result> {
    this.own.roundTrips++;
    return noted(await this.inner.all(), this.own);
  }

  async run(): Promise<D1Result> {
    this.own.roundTrips++;
    return noted(await this.inner.run(), this.own);
  }

  async first(column?: string): Promise<unknown> {
    const [row = null] = (await this.all()).results as Record<string, unknown>[];
    return row === null || column === undefined ? row : row[column];
  }
}

function noted<T extends D1Result>(result: T, own: Counts): T {
  own.statements++;
  own.rowsRead += result.meta.rows_read;
  own.rowsWritten += result.meta.rows_written;
  return result;
}

const countedDatabase = (db: D1Database, own: Counts) => ({
  prepare: (sql: string) => new CountedStatement(db.prepare(sql), own),
  batch: async (statements: CountedStatement[]) => {
    own.roundTrips++;
    const results = await db.batch(statements.map(({ inner }) => inner));
    return results.map((result) => noted(result, own));
  },
});

const countedQueue = (queue: Queue, own: Counts) => ({
  send: (...args: Parameters<Queue["send"]>) => {
    own.messages++;
    return queue.send(...args);
  },
  sendBatch: (...[messages, ...rest]: Parameters<Queue["sendBatch"]>) => {
    const all = [...messages];
    own.messages += all.length;
    return queue.sendBatch(all, ...rest);
  },
});

/** A namespace whose stubs count every method call. */
function countedNamespace(namespace: DurableObjectNamespace, own: Counts): DurableObjectNamespace {
  const countedStub = (stub: DurableObjectStub) =>
    new Proxy(stub, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function" || name === "then") return member;
        return (...args: unknown[]) => {
          own.objectRequests++;
          return Reflect.apply(Reflect.get(target, name, target) as () => unknown, target, args);
        };
      },
    });
  return new Proxy(namespace, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      const isStub = name === "get" || name === "getByName";
      return (...args: unknown[]) => {
        const made: unknown = Reflect.apply(member, target, args);
        return isStub ? countedStub(made as DurableObjectStub) : made;
      };
    },
  });
}

const OBJECTS = ["PROGRESS", "CLOCK", "ATTEMPTS", "RATES"];
const wrapped: Record<Origin, WeakMap<object, Env>> = { tasks: new WeakMap(), clock: new WeakMap() };

/** Always the same wrapper for the same bindings, because the Worker keeps caches in maps keyed by `env` and its bindings. */
function counted(env: Env, origin: Origin): Env {
  const known = wrapped[origin].get(env);
  if (known !== undefined) return known;
  const own = counts[origin];
  const entries = Object.entries(env).map(([name, binding]): [string, unknown] => {
    if (name === "DB") return [name, countedDatabase(binding as D1Database, own)];
    if (/^(LANE|TURNS)_/.test(name)) return [name, countedQueue(binding as Queue, own)];
    if (OBJECTS.includes(name)) return [name, countedNamespace(binding as DurableObjectNamespace, own)];
    return [name, binding];
  });
  const made = Object.fromEntries(entries) as unknown as Env;
  wrapped[origin].set(env, made);
  return made;
}

type ObjectClass = new (ctx: DurableObjectState, env: Env) => { alarm?(): Promise<void> };

/** An alarm is billed as a request too. */
function countedClass(Class: ObjectClass, origin: Origin): ObjectClass {
  return class extends Class {
    constructor(ctx: DurableObjectState, env: Env) {
      super(ctx, counted(env, origin));
      const alarm = this.alarm?.bind(this);
      if (alarm === undefined) return;
      this.alarm = () => {
        counts[origin].objectRequests++;
        return alarm();
      };
    }
  };
}

export const Clock = countedClass(classes.Clock, "clock");
export const ProgressObject = countedClass(classes.ProgressObject, "tasks");
export const AttemptObject = countedClass(classes.AttemptObject, "tasks");
export const RateObject = countedClass(classes.RateObject, "tasks");

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/__counts") return Response.json(counts);
    return worker.fetch(request, counted(env, "tasks"), ctx);
  },
  queue: (batch, env, ctx) => worker.queue(batch, counted(env, "tasks"), ctx),
} satisfies ExportedHandler<Env>;
