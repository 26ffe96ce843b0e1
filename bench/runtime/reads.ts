/**
 * The built Worker with the rows counted that each of its requests reads in D1, whatever the answer: a stream's go on as it does.
 * `GET /__reads` returns them, and begins anew.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import worker, * as classes from "built-worker";

export type Reads = { method: string; path: string; statements: number; rows: number; most: number };

let calls: Reads[] = [];
const current = new AsyncLocalStorage<Reads>();

function newCall(method: string, path: string): Reads {
  const call = { method, path, statements: 0, rows: 0, most: 0 };
  calls.push(call);
  return call;
}

function noted<T extends D1Result>(result: T): T {
  const call = current.getStore();
  if (call === undefined) return result;
  call.statements++;
  call.rows += result.meta.rows_read;
  call.most = Math.max(call.most, result.meta.rows_read);
  return result;
}

class CountedStatement {
  readonly inner: D1PreparedStatement;

  constructor(inner: D1PreparedStatement) {
    this.inner = inner;
  }

  bind(...values: unknown[]): CountedStatement {
    return new CountedStatement(this.inner.bind(...values));
  }

  async all(): Promise<D1Result> {
    return noted(await this.inner.all());
  }

  async run(): Promise<D1Result> {
    return noted(await this.inner.run());
  }

  async first(column?: string): Promise<unknown> {
    const [row = null] = (await this.all()).results as Record<string, unknown>[];
    return row === null || column === undefined ? row : row[column];
  }
}

const wrapped = new WeakMap<object, Env>();

/** Always the same wrapper for the same bindings, because the Worker keeps caches in maps keyed by `env` and its bindings. */
function counted(env: Env): Env {
  const known = wrapped.get(env);
  if (known !== undefined) return known;
  const DB = {
    prepare: (sql: string) => new CountedStatement(env.DB.prepare(sql)),
    batch: async (statements: CountedStatement[]) =>
      (await env.DB.batch(statements.map(({ inner }) => inner))).map((result) => noted(result)),
  };
  const made = { ...env, DB } as unknown as Env;
  wrapped.set(env, made);
  return made;
}

/** Of an object that serves a feed, each look is a call. */
export class ProgressObject extends classes.ProgressObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, ctx.id.name?.startsWith("feed:") ? counted(env) : env);
    const alarm = this.alarm?.bind(this);
    if (alarm === undefined || !ctx.id.name?.startsWith("feed:")) return;
    this.alarm = () => current.run(newCall("the feed's", "look, once a second"), alarm);
  }
}

export const { AttemptObject, Clock, RateObject } = classes;

export default {
  fetch(request, env, ctx) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/__reads") {
      const told = calls;
      calls = [];
      return Response.json(told);
    }
    return current.run(newCall(request.method, pathname + search), () => worker.fetch(request, counted(env), ctx));
  },
  queue: (batch, env, ctx) => worker.queue(batch, env, ctx),
  scheduled: (event, env, ctx) => worker.scheduled(event, env, ctx),
} satisfies ExportedHandler<Env>;
