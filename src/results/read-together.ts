/**
 * Reads single tasks of concurrent requests together: those that come during a read share the next one. D1 does one thing at a
 * time, so under load a read for each request would take turns with the writes.
 *
 * The request whose read has ended gives the turn to one of those that wait, and that one reads for all of them, also where its
 * caller closes the connection meanwhile.
 */

import { persistOr503, RefusalError } from "./d1.ts";
import { readTask } from "./read-tasks.ts";
import { TASK_COLUMNS, type WholeTaskRow } from "./task-row.ts";
import { within } from "./within.ts";

/** Tasks of one read: their rows lie in memory together. */
const MAX_GROUP = 20;

/** A turn that takes longer is slow, or lost with its request: others read by themselves. */
const PATIENCE_MS = 250;

// Payloads beside the rows may be large: a request reads those by itself.
const ROWS = `SELECT ${TASK_COLUMNS}, tasks.input, tasks.result FROM tasks WHERE id IN (SELECT value FROM json_each(?1))`;

interface Waiting {
  id: string;
  /** Its row, of any tenant; `turn`: this request is to read for those that wait. */
  answer: PromiseWithResolvers<WholeTaskRow | null | "turn">;
}

interface Line {
  waiting: Waiting[];
  /** Until when an event has the turn, in ms since the epoch; 0: none has. */
  takenUntil: number;
}

const lines = new WeakMap<D1Database, Line>();

/** The tenant's task with both payloads, or null where it has none of this id; never as it was before this call. */
export async function readTaskTogether(
  db: D1Database,
  background: { waitUntil(promise: Promise<unknown>): void },
  tenant: string,
  id: string,
): Promise<WholeTaskRow | null> {
  const reading = read(db, tenant, id);
  background.waitUntil(reading.catch(() => undefined));
  return reading;
}

async function read(db: D1Database, tenant: string, id: string): Promise<WholeTaskRow | null> {
  const line = lines.get(db) ?? { waiting: [], takenUntil: 0 };
  lines.set(db, line);
  const now = Date.now();
  if (line.takenUntil <= now) return takeTurn(db, line, tenant, id);
  const mine: Waiting = { id, answer: Promise.withResolvers() };
  line.waiting.push(mine);
  const answer = await within(mine.answer.promise, line.takenUntil - now + PATIENCE_MS);
  if (answer === "turn") return takeTurn(db, line, tenant, id);
  if (answer !== "late") return whole(db, tenant, answer);
  line.waiting = line.waiting.filter((each) => each !== mine);
  return readTask(db, tenant, id);
}

async function takeTurn(db: D1Database, line: Line, tenant: string, id: string): Promise<WholeTaskRow | null> {
  const until = Date.now() + PATIENCE_MS;
  line.takenUntil = until;
  const group = line.waiting.splice(0, MAX_GROUP - 1);
  try {
    if (group.length === 0) return await readTask(db, tenant, id);
    const ids = JSON.stringify([id, ...group.map((each) => each.id)]);
    const { results } = await persistOr503(() => db.prepare(ROWS).bind(ids).all<WholeTaskRow>());
    const rows = new Map(results.map((row) => [row.id, row]));
    for (const each of group) each.answer.resolve(rows.get(each.id) ?? null);
    return await whole(db, tenant, rows.get(id) ?? null);
  } catch (error) {
    for (const { answer } of group) {
      answer.reject(error instanceof RefusalError ? new RefusalError(error.trouble) : error);
    }
    throw error;
  } finally {
    // Otherwise it took so long that another request has the turn.
    if (line.takenUntil === until) passOn(line);
  }
}

function passOn(line: Line): void {
  const next = line.waiting.shift();
  line.takenUntil = next === undefined ? 0 : Date.now() + PATIENCE_MS;
  next?.answer.resolve("turn");
}

async function whole(db: D1Database, tenant: string, row: WholeTaskRow | null): Promise<WholeTaskRow | null> {
  if (row === null || row.tenant !== tenant) return null;
  return row.overflow === 0 ? row : readTask(db, tenant, row.id);
}
