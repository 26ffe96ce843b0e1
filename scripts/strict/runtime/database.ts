/** D1 as a Worker sees it, with the gate between it and the database. */

import { currentEvent } from "./event.ts";
import type { Answer, D1Gate, GateMode, Statement } from "./gate.ts";

/** Gives a stub to each event, because one of another event cannot be used. */
type Gate = () => DurableObjectStub<D1Gate>;

/** How workerd's own client holds a statement, its parameters checked and converted. */
type Prepared = { statement: string; params: unknown[] };

export class StrictDatabase {
  readonly #real: D1Database;
  readonly #gate: Gate;

  constructor(real: D1Database, gate: Gate) {
    this.#real = real;
    this.#gate = gate;
  }

  prepare(sql: string): StrictStatement {
    return new StrictStatement(this.#real.prepare(sql), this.#gate);
  }

  async batch(statements: StrictStatement[]): Promise<unknown> {
    return ask(this.#gate, statements.map(toStatement), "batch");
  }

  async exec(sql: string): Promise<unknown> {
    return ask(this.#gate, [{ sql, params: [] }], "exec");
  }

  /** Every session is with the one database there is. */
  withSession(): this & { getBookmark(): null } {
    return Object.assign(Object.create(this) as this, {
      prepare: this.prepare.bind(this),
      batch: this.batch.bind(this),
      getBookmark: () => null,
    });
  }
}

export class StrictStatement {
  readonly #real: D1PreparedStatement;
  readonly #gate: Gate;

  constructor(real: D1PreparedStatement, gate: Gate) {
    this.#real = real;
    this.#gate = gate;
  }

  get statement(): Statement {
    const { statement, params } = this.#real as unknown as Prepared;
    return { sql: statement, params };
  }

  bind(...values: unknown[]): StrictStatement {
    return new StrictStatement(this.#real.bind(...values), this.#gate);
  }

  async all(): Promise<D1Result> {
    const [result] = (await ask(this.#gate, [this.statement], "batch")) as D1Result[];
    return result!;
  }

  async run(): Promise<D1Result> {
    return this.all();
  }

  async first(column?: string): Promise<unknown> {
    const { results } = await this.all();
    const row = results[0] as Record<string, unknown> | undefined;
    if (row === undefined) return null;
    if (column === undefined) return row;
    if (!(column in row)) throw new Error(`D1_COLUMN_NOTFOUND: Column not found (${column})`);
    return row[column];
  }

  async raw(options?: { columnNames?: boolean }): Promise<unknown> {
    return ask(this.#gate, [this.statement], options?.columnNames ? "rawWithNames" : "raw");
  }
}

function toStatement(prepared: StrictStatement): Statement {
  return prepared.statement;
}

async function ask(gate: Gate, statements: Statement[], mode: GateMode): Promise<unknown> {
  const event = currentEvent();
  const query = async () => {
    event?.spend("subrequests");
    event?.spend("statements", statements.length);
    const answer = (await gate().query(statements, mode)) as unknown as Answer;
    if ("results" in answer) return answer.results;
    throw new Error(answer.message, { cause: new Error(answer.message.replace(/^D1_ERROR: /, "")) });
  };
  return event === null ? query() : event.answer(query);
}
