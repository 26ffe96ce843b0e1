/** Which events of a flow its progress object has received, in the object's storage: for each teller the number of its last one. */

import type { FlowNews } from "./snapshot.ts";

export class Heard {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Returns the events that were not received before, and records them as received. */
  news(told: readonly FlowNews[]): FlowNews[] {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS heard (teller TEXT PRIMARY KEY, nth INTEGER NOT NULL) WITHOUT ROWID");
    const tellers = JSON.stringify([...new Set(told.map(({ teller }) => teller))]);
    const last = new Map(
      this.#sql
        .exec<{ teller: string; nth: number }>(
          "SELECT teller, nth FROM heard WHERE teller IN (SELECT value FROM json_each(?))",
          tellers,
        )
        .toArray()
        .map(({ teller, nth }) => [teller, nth]),
    );
    const changed = new Map<string, number>();
    const news = told.filter(({ teller, nth }) => {
      const isNews = nth > (changed.get(teller) ?? last.get(teller) ?? 0);
      if (isNews) changed.set(teller, nth);
      return isNews;
    });
    if (changed.size > 0) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO heard (teller, nth) SELECT value->>0, value->>1 FROM json_each(?)",
        JSON.stringify([...changed]),
      );
    }
    return news;
  }
}
