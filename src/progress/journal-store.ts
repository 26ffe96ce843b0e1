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

  /** The entries of this run. A new run begins with none; an attempt that opens it fences those before it. */
  open(run: number, attempt: number): JournalEntry[] {
    const opened = this.#opened();
    if (attempt < opened.attempt || run < opened.run) return [];
    this.#storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS journal (key TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID",
    );
    if (run > opened.run) this.#storage.sql.exec("DELETE FROM journal");
    this.#storage.kv.put<Opened>("journal", { run, attempt });
    return this.#storage.sql
      .exec<{ entry: string }>("SELECT entry FROM journal")
      .toArray()
      .map((row) => JSON.parse(row.entry) as JournalEntry);
  }

  /** Keeps an entry; false where a later attempt has opened the journal. */
  write(attempt: number, entry: JournalEntry): boolean {
    if (this.#opened().attempt !== attempt) return false;
    this.#storage.sql.exec(
      "INSERT OR REPLACE INTO journal (key, entry) VALUES (?, ?)",
      entry.key,
      JSON.stringify(entry),
    );
    return true;
  }

  #opened(): Opened {
    return this.#storage.kv.get<Opened>("journal") ?? { run: 0, attempt: 0 };
  }
}
