/** The journal of a durable task, in the storage of its progress object. */

import type { JournalEntry } from "./snapshot.ts";

interface Opened {
  run: number;
  attempt: number;
}

export class JournalStore {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /**
   * The entries of this run. A new run begins with none; an attempt that opens it fences those before it.
   * Null where the attempt itself is fenced.
   */
  open(run: number, attempt: number): JournalEntry[] | null {
    const opened = this.#opened();
    if (attempt < opened.attempt || run < opened.run) return null;
    // A value has a column of its own: as text within the JSON of the rest it could be twice as long, and a row holds 2 MB.
    this.#storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, entry TEXT NOT NULL, value TEXT) WITHOUT ROWID",
    );
    if (run > opened.run) this.#storage.sql.exec("DELETE FROM entries");
    this.#storage.kv.put<Opened>("journal", { run, attempt });
    return this.#storage.sql
      .exec<{ entry: string; value: string | null }>("SELECT entry, value FROM entries")
      .toArray()
      .map(({ entry, value }) => ({ ...(JSON.parse(entry) as JournalEntry), value }));
  }

  /** Keeps entries, all or none; false where a later attempt has opened the journal. */
  write(attempt: number, entries: JournalEntry[]): boolean {
    if (this.#opened().attempt !== attempt) return false;
    for (const { value, ...entry } of entries) {
      this.#storage.sql.exec(
        "INSERT OR REPLACE INTO entries (key, entry, value) VALUES (?, ?, ?)",
        entry.key,
        JSON.stringify(entry),
        value,
      );
    }
    return true;
  }

  #opened(): Opened {
    return this.#storage.kv.get<Opened>("journal") ?? { run: 0, attempt: 0 };
  }
}
