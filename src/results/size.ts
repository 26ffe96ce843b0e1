/**
 * How large the database is, as far as this isolate has seen. Every answer of D1 tells the bytes of the pages in use:
 * pages that a purge has emptied do not count, and D1 uses them again before it grows
 * (workerd's `SqlStorage::getDatabaseSize`; the pragmas that count pages are not allowed in D1).
 */

/** `at`: ms since the epoch. */
export interface Size {
  bytes: number;
  at: number;
}

let seen: Size | null = null;

/** Looks for the size in what a call has answered: a result, those of a batch, or something else. */
export function noteSize(answer: unknown, now: number): void {
  const result = (Array.isArray(answer) ? answer.at(-1) : answer) as Partial<D1Result> | null | undefined;
  const bytes = result?.meta?.size_after;
  if (typeof bytes === "number") seen = { bytes, at: now };
}

/** Asks the database for its size, with a statement that reads one row at most. Rejects where it does not answer. */
export async function measure(db: D1Database, now: number): Promise<void> {
  noteSize(await db.prepare("SELECT id FROM tasks LIMIT 1").run(), now);
}

/** The latest that an answer told; null where none has yet. */
export function sizeSeen(): Size | null {
  return seen;
}
