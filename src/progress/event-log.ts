/**
 * The kept events of one task, in the storage of its progress object. Written sparsely, one row for
 * the events of a second, but always before a listener gets an event: so a number that a listener
 * has seen is never given twice, whatever is lost.
 */

import type { TaskEvent } from "../contract/event.ts";
import { nextNumber } from "../core/event-numbers.ts";

/** Where the log stands; stored beside every row of events. */
interface Head {
  /** The number of the last event. */
  seq: number;
  /** When the task ended, in ms since the epoch. */
  endedAt: number | null;
  /** The id of the last report that was received. */
  report?: string;
}

/** An event that may bring its number; without one it gets the next. */
export type Told = Omit<TaskEvent, "seq"> & { seq?: number };

const EMPTY: Head = { seq: 0, endedAt: null };

/** Events are written at most this often while there is no listener. */
export const SAVE_EVERY_MS = 1_000;

/** A row may have 2 MB; a character may have three bytes. */
const MAX_ROW_LENGTH = 600_000;

/** The oldest rows are deleted when the events of a task exceed this. */
const MAX_BYTES = 8 * 1_048_576;

export class EventLog {
  head: Head = EMPTY;
  #unsaved: TaskEvent[] = [];
  #changed = false;
  #bytes = 0;
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    if (!this.#exists()) return;
    const last = sql.exec<{ head: string }>("SELECT head FROM log ORDER BY seq DESC LIMIT 1").toArray()[0];
    if (last) this.head = JSON.parse(last.head) as Head;
    this.#bytes = sql.exec<{ bytes: number }>("SELECT COALESCE(SUM(LENGTH(events)), 0) AS bytes FROM log").one().bytes;
  }

  get isEmpty(): boolean {
    return this.head.seq === 0;
  }

  get hasUnsaved(): boolean {
    return this.#changed;
  }

  /** Numbers the events that bring no number. An event for which no number is left is dropped. */
  append(events: Told[], head: Partial<Head>): TaskEvent[] {
    let last = this.head.seq;
    const numbered = events.flatMap((event): TaskEvent[] => {
      const seq = event.seq ?? nextNumber(last);
      if (seq === null) return [];
      last = seq;
      return [{ ...event, seq }];
    });
    // The head is stored beside events only, so it does not change without one.
    if (numbered.length === 0) return [];
    this.head = { ...this.head, ...head, seq: last };
    this.#unsaved.push(...numbered);
    this.#changed = true;
    return numbered;
  }

  /** Writes what is not written yet, as one row if it fits. */
  save(): void {
    if (!this.#changed) return;
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, events TEXT NOT NULL, head TEXT NOT NULL)",
    );
    let row: string[] = [];
    let length = 0;
    for (const event of this.#unsaved) {
      // The data of `done` is in the task's row too, and may be too large for a row here.
      const text = JSON.stringify(event.type === "done" ? { ...event, data: null } : event);
      if (length + text.length > MAX_ROW_LENGTH && row.length > 0) {
        this.#insert(event.seq - 1, row);
        row = [];
        length = 0;
      }
      row.push(text);
      length += text.length + 1;
    }
    this.#insert(this.head.seq, row);
    this.#unsaved = [];
    this.#changed = false;
    this.#trim();
  }

  #insert(seq: number, row: string[]): void {
    const events = `[${row.join(",")}]`;
    const head = JSON.stringify({ ...this.head, seq });
    this.#sql.exec("INSERT OR REPLACE INTO log (seq, events, head) VALUES (?, ?, ?)", seq, events, head);
    this.#bytes += events.length;
  }

  /** The kept events after number `after`; that of `done` comes without its data. */
  read(after: number): TaskEvent[] {
    this.save();
    if (this.isEmpty) return [];
    return this.#sql
      .exec<{ events: string }>("SELECT events FROM log WHERE seq > ? ORDER BY seq", after)
      .toArray()
      .flatMap((row) => JSON.parse(row.events) as TaskEvent[])
      .filter((event) => event.seq > after);
  }

  /** The last event of a type, for a reader that needs only the present state. */
  latest(type: TaskEvent["type"]): TaskEvent | null {
    const unsaved = this.#unsaved.findLast((event) => event.type === type);
    if (unsaved || !this.#exists()) return unsaved ?? null;
    for (const row of this.#sql.exec<{ events: string }>("SELECT events FROM log ORDER BY seq DESC")) {
      const found = (JSON.parse(row.events) as TaskEvent[]).findLast((event) => event.type === type);
      if (found) return found;
    }
    return null;
  }

  /** Forgets everything; the storage itself is the caller's to clear. */
  clear(): void {
    this.head = EMPTY;
    this.#unsaved = [];
    this.#changed = false;
    this.#bytes = 0;
  }

  #exists(): boolean {
    return this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'log'").toArray().length > 0;
  }

  #trim(): void {
    while (this.#bytes > MAX_BYTES) {
      const oldest = this.#sql
        .exec<{ seq: number; bytes: number }>("SELECT seq, LENGTH(events) AS bytes FROM log ORDER BY seq LIMIT 1")
        .one();
      this.#sql.exec("DELETE FROM log WHERE seq = ?", oldest.seq);
      this.#bytes -= oldest.bytes;
    }
  }
}
