/**
 * A D1 database whose every call goes through one function. What is done there, counting, failing,
 * dying, sharing, happens to whatever the code under test does with its database.
 */

/** A statement as the code under test wrote it. */
export interface Statement {
  sql: string;
  params: unknown[];
}

/** Runs statements in one transaction. A call of one statement is a list of one. */
export type Execute = (statements: Statement[]) => Promise<D1Result[]>;

/** The real thing. */
export function executeOn(db: D1Database): Execute {
  return (statements) => db.batch(statements.map(({ sql, params }) => db.prepare(sql).bind(...params)));
}

export function databaseOver(execute: Execute): D1Database {
  const database = {
    prepare: (sql: string) => new Prepared(execute, { sql, params: [] }),
    batch: (prepared: Prepared[]) => execute(prepared.map((each) => each.statement)),
  };
  return database as unknown as D1Database;
}

class Prepared {
  readonly #execute: Execute;
  readonly statement: Statement;

  constructor(execute: Execute, statement: Statement) {
    this.#execute = execute;
    this.statement = statement;
  }

  bind(...params: unknown[]): Prepared {
    return new Prepared(this.#execute, { sql: this.statement.sql, params });
  }

  async run(): Promise<D1Result> {
    const [result] = await this.#execute([this.statement]);
    return result!;
  }

  async all(): Promise<D1Result> {
    return this.run();
  }

  async first(column?: string): Promise<unknown> {
    const { results } = await this.run();
    const row = results[0] as Record<string, unknown> | undefined;
    if (row === undefined) return null;
    return column === undefined ? row : row[column];
  }
}
