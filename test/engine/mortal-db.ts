/** A database whose caller dies at one of its calls: just before it, or when it has been done and its answer is lost. */

/** What a test kills. */
export interface Death {
  /** The call at which it dies, from 1; null: it lives. */
  atCall: number | null;
  when: "before" | "after";
}

export interface Mortal {
  db: D1Database;
  calls(): number;
}

/** No repetition mends it, so it is not tried again. */
class Died extends Error {
  constructor() {
    super("died: SQLITE_ERROR");
  }
}

export function mortal(db: D1Database, death: Death): Mortal {
  let calls = 0;
  let isDead = false;
  const inner = new WeakMap<object, D1PreparedStatement>();

  async function call<T>(work: () => Promise<T>): Promise<T> {
    calls++;
    if (isDead) throw new Died();
    isDead = calls === death.atCall;
    if (!isDead) return work();
    if (death.when === "after") await work();
    throw new Died();
  }
  function wrap(statement: D1PreparedStatement): D1PreparedStatement {
    const wrapped = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values)),
      run: () => call(() => statement.run()),
      all: () => call(() => statement.all()),
      first: (column?: string) => call(() => (column === undefined ? statement.first() : statement.first(column))),
    } as unknown as D1PreparedStatement;
    inner.set(wrapped, statement);
    return wrapped;
  }
  return {
    db: {
      prepare: (sql: string) => wrap(db.prepare(sql)),
      batch: (statements: D1PreparedStatement[]) =>
        call(() => db.batch(statements.map((statement) => inner.get(statement)!))),
    } as unknown as D1Database,
    calls: () => calls,
  };
}
