/** A database whose caller dies, or whose answer gets lost, at a chosen call. */

/** What goes wrong, and at which of the calls from here on (1 is the next). */
export interface Fault {
  call: number;
  /** `lost`: it was done, and nobody hears of it; the caller lives on. The others kill the caller. */
  how: "before" | "after" | "lost";
}

/** Not to be repeated: to `persist` it is a statement that is wrong. */
export class Died extends Error {
  constructor() {
    super("SQLITE_ERROR: the one who asked is dead");
  }
}

/** The same database, seen by somebody who meets this fault, if any. Once dead, nothing of theirs is done any more. */
export function faultyDb(db: D1Database, fault: Fault | null): D1Database {
  let left = fault?.call ?? Infinity;
  let isDead = false;
  const inner = new WeakMap<object, D1PreparedStatement>();

  async function call<T>(work: () => Promise<T>): Promise<T> {
    if (isDead) throw new Died();
    if (fault === null || --left !== 0) return work();
    if (fault.how === "lost") {
      await work();
      throw new Error("the connection was lost");
    }
    isDead = true;
    if (fault.how === "after") await work();
    throw new Died();
  }
  function wrap(statement: D1PreparedStatement): D1PreparedStatement {
    const wrapped = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values)),
      run: () => call(() => statement.run()),
      all: () => call(() => statement.all()),
      first: (column: string) => call(() => (column === undefined ? statement.first() : statement.first(column))),
    } as unknown as D1PreparedStatement;
    inner.set(wrapped, statement);
    return wrapped;
  }
  return {
    prepare: (sql: string) => wrap(db.prepare(sql)),
    batch: (statements: D1PreparedStatement[]) =>
      call(() => db.batch(statements.map((statement) => inner.get(statement)!))),
  } as unknown as D1Database;
}
