/** The journal of a durable task, in the storage of its progress object. */

import { newsOf, type JournalEntry, type StepNews } from "../core/journal.ts";
import type { Steps } from "./snapshot.ts";

interface Opened {
  run: number;
  attempt: number;
}

/** The changes of a write, from which events are made: in the order in which they happened, with their times in ms since the epoch. */
export type Written = { at: number; data: StepNews }[];

type Row = { entry: string; value: string | null };

export class JournalStore {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /**
   * The entries of this run. A new run begins with the entries that had ended before the place `keepBefore`, or with none. An
   * attempt that opens the journal fences the attempts before it; null where the attempt itself is fenced.
   */
  open(run: number, attempt: number, keepBefore = 0): JournalEntry[] | null {
    const opened = this.opened;
    if (attempt < opened.attempt || run < opened.run) return null;
    // A value has a column of its own: as text within the JSON of the rest it could be twice as long, and a row holds 2 MB.
    this.#storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, entry TEXT NOT NULL, value TEXT) WITHOUT ROWID",
    );
    if (run > opened.run) {
      this.#storage.sql.exec("DELETE FROM entries WHERE COALESCE(entry->>'ended', ?1) >= ?1", keepBefore);
      if (this.#has("begun")) this.#storage.sql.exec("DELETE FROM begun");
    }
    this.#storage.kv.put<Opened>("journal", { run, attempt });
    return this.#read("SELECT entry, value FROM entries");
  }

  /** Keeps entries, all or none; null where a later attempt has opened the journal. */
  write(attempt: number, entries: JournalEntry[]): Written | null {
    if (this.opened.attempt !== attempt) return null;
    return entries.flatMap((written) => {
      const { value, ...entry } = written;
      const before = this.#entry(entry.key);
      const isTold = entry.ended !== null && this.#has("begun") && this.#endBegun(entry.key);
      this.#storage.sql.exec(
        "INSERT OR REPLACE INTO entries (key, entry, value) VALUES (?, ?, ?)",
        entry.key,
        JSON.stringify(entry),
        value,
      );
      return newsOf(written, before, isTold);
    });
  }

  /** Stores that steps have begun, unless they have ended meanwhile. */
  begin(attempt: number, entries: JournalEntry[]): Written {
    if (this.opened.attempt !== attempt) return [];
    this.#storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS begun (key TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID",
    );
    return entries.flatMap((entry) => {
      const before = this.#entry(entry.key);
      if ((before !== null && before.ended !== null) || this.#begunBy(entry.key) === attempt) return [];
      this.#storage.sql.exec(
        "INSERT OR REPLACE INTO begun (key, entry) VALUES (?, ?)",
        entry.key,
        JSON.stringify(entry),
      );
      return newsOf(entry, null, false);
    });
  }

  /** All that is kept, without the values of steps. */
  read(): Steps {
    return {
      // Only these values are for readers: the ids of children, and why something could not be undone.
      entries: this.isEmpty
        ? []
        : this.#read(
            "SELECT entry, CASE WHEN key LIKE 'spawn:%' OR key LIKE 'undo:%' THEN value END AS value FROM entries",
          ),
      begun: this.#has("begun") ? this.#read("SELECT entry, NULL AS value FROM begun") : [],
    };
  }

  get isEmpty(): boolean {
    return !this.#has("entries");
  }

  /** The run and the attempt that opened it last; zeros where none has. */
  get opened(): Opened {
    return this.#storage.kv.get<Opened>("journal") ?? { run: 0, attempt: 0 };
  }

  #read(sql: string): JournalEntry[] {
    return this.#storage.sql
      .exec<Row>(sql)
      .toArray()
      .map(({ entry, value }) => ({ ...(JSON.parse(entry) as JournalEntry), value }));
  }

  #entry(key: string): JournalEntry | null {
    const [row] = this.#storage.sql.exec<{ entry: string }>("SELECT entry FROM entries WHERE key = ?", key).toArray();
    return row ? (JSON.parse(row.entry) as JournalEntry) : null;
  }

  #begunBy(key: string): number | null {
    const sql = "SELECT entry->>'attempt' AS attempt FROM begun WHERE key = ?";
    return this.#storage.sql.exec<{ attempt: number }>(sql, key).toArray()[0]?.attempt ?? null;
  }

  #endBegun(key: string): boolean {
    return this.#storage.sql.exec("DELETE FROM begun WHERE key = ? RETURNING 1", key).toArray().length > 0;
  }

  #has(table: "entries" | "begun"): boolean {
    return this.#storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = ?", table).toArray().length > 0;
  }
}
