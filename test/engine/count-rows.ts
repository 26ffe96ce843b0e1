/** A database that counts the rows which its statements write and read, as D1 bills them. */

export interface Counting {
  db: D1Database;
  /** Rows written since the last call. */
  written: () => number;
  /** Rows read since the last call. */
  read: () => number;
  /** The most rows that one statement has answered. */
  most: () => number;
}

export function countRows(db: D1Database): Counting {
  let rows = 0;
  let rowsRead = 0;
  let most = 0;
  const inner = new WeakMap<object, D1PreparedStatement>();

  function count<T>(result: D1Result<T>): D1Result<T> {
    rows += result.meta.rows_written;
    rowsRead += result.meta.rows_read;
    most = Math.max(most, result.results?.length ?? 0);
    return result;
  }
  function wrap(statement: D1PreparedStatement): D1PreparedStatement {
    const wrapped = {
      bind: (...values: unknown[]) => wrap(statement.bind(...values)),
      run: async () => count(await statement.run()),
      all: async () => count(await statement.all()),
      first: async (column?: string) => {
        const row = count(await statement.all<Record<string, unknown>>()).results[0] ?? null;
        return row === null || column === undefined ? row : row[column];
      },
    } as unknown as D1PreparedStatement;
    inner.set(wrapped, statement);
    return wrapped;
  }
  return {
    db: {
      prepare: (sql: string) => wrap(db.prepare(sql)),
      batch: async (statements: D1PreparedStatement[]) =>
        (await db.batch(statements.map((statement) => inner.get(statement)!))).map(count),
    } as unknown as D1Database,
    written: () => {
      const written = rows;
      rows = 0;
      return written;
    },
    read: () => {
      const read = rowsRead;
      rowsRead = 0;
      return read;
    },
    most: () => most,
  };
}
