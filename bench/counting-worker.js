/** The built Worker with its D1 and its queues counted; `GET /counts` tells. Its Durable Objects live in the same isolate, and so share the counts. */
import worker, * as parts from "../dist/worker/index.js";

const counts = { rowsWritten: 0, rowsRead: 0, statements: 0, messages: 0 };

function noted(result) {
  counts.statements++;
  counts.rowsWritten += result.meta.rows_written;
  counts.rowsRead += result.meta.rows_read;
  return result;
}

class Statement {
  constructor(inner) {
    this.inner = inner;
  }
  bind(...values) {
    return new Statement(this.inner.bind(...values));
  }
  async all() {
    return noted(await this.inner.all());
  }
  async run() {
    return noted(await this.inner.run());
  }
  async first(column) {
    const row = (await this.all()).results[0] ?? null;
    return row === null || column === undefined ? row : row[column];
  }
}

const countedDatabase = (db) => ({
  prepare: (sql) => new Statement(db.prepare(sql)),
  batch: async (statements) => (await db.batch(statements.map((statement) => statement.inner))).map(noted),
});

const countedQueue = (queue) => ({
  sendBatch: (messages) => {
    counts.messages += messages.length;
    return queue.sendBatch(messages);
  },
});

function counted(env) {
  const bindings = Object.entries(env).map(([name, binding]) => [
    name,
    name.startsWith("LANE_") ? countedQueue(binding) : binding,
  ]);
  return { ...Object.fromEntries(bindings), DB: countedDatabase(env.DB) };
}

const countedClass = (Class) =>
  class extends Class {
    constructor(ctx, env) {
      super(ctx, counted(env));
    }
  };

export const Clock = countedClass(parts.Clock);
export const ProgressObject = countedClass(parts.ProgressObject);
export const AttemptObject = countedClass(parts.AttemptObject);
export const RateObject = countedClass(parts.RateObject);

export default {
  fetch: (request, env, ctx) =>
    new URL(request.url).pathname === "/counts" ? Response.json(counts) : worker.fetch(request, counted(env), ctx),
  queue: (batch, env, ctx) => worker.queue(batch, counted(env), ctx),
};
