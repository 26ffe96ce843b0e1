/**
 * Calls to D1 that concurrent events of an isolate make together: those that come during a call share the next one, as one
 * transaction. D1 does one thing at a time and writes to disk once for each transaction, so under load the number of calls decides
 * the throughput.
 *
 * The event whose call has ended gives the turn to one of those that wait, and that one calls for all of them. Each caller must
 * be in an event that lives until it has its answer. A turn that is lost with its event only costs time: the others then call by
 * themselves, and every statement is safe to repeat.
 */

import { troubleOf } from "./trouble.ts";
import { within } from "./within.ts";

/** Statements of one call. All of them count towards the limit of the event that makes it. */
const MAX_STATEMENTS = 6;

/** A turn that takes longer may be lost. */
export const TURN_MS = 3_000;

interface Waiting {
  statements: readonly D1PreparedStatement[];
  /** Its results; `turn`: it is to call for those that wait; `alone`: it is to call for itself. */
  answer: PromiseWithResolvers<D1Result[] | "turn" | "alone">;
}

interface Line {
  waiting: Waiting[];
  /** Until when an event has the turn, in ms since the epoch; 0: none has. */
  takenUntil: number;
}

const lines = new WeakMap<D1Database, Line>();

/** Runs these statements in one transaction, which those of other events may share; answers their results. */
export async function callTogether(db: D1Database, statements: readonly D1PreparedStatement[]): Promise<D1Result[]> {
  const line = lines.get(db) ?? { waiting: [], takenUntil: 0 };
  lines.set(db, line);
  const now = Date.now();
  if (line.takenUntil <= now) return takeTurn(db, line, statements);
  const mine: Waiting = { statements, answer: Promise.withResolvers() };
  line.waiting.push(mine);
  const answer = await within(mine.answer.promise, line.takenUntil - now + TURN_MS);
  if (answer === "turn") return takeTurn(db, line, statements);
  if (typeof answer !== "string") return answer;
  line.waiting = line.waiting.filter((each) => each !== mine);
  return call(db, statements);
}

async function takeTurn(db: D1Database, line: Line, own: readonly D1PreparedStatement[]): Promise<D1Result[]> {
  const until = Date.now() + TURN_MS;
  line.takenUntil = until;
  const group = takeGroup(line, own.length);
  try {
    const results = await call(db, [...own, ...group.flatMap(({ statements }) => statements)]);
    let from = own.length;
    for (const { statements, answer } of group) answer.resolve(results.slice(from, (from += statements.length)));
    return results.slice(0, own.length);
  } catch (error) {
    const trouble = troubleOf(error);
    // One of them is at fault or too large: each calls for itself, and only that one fails.
    const isOfOne = trouble === "final" || trouble === "full";
    for (const { answer } of group) {
      if (isOfOne) answer.resolve("alone");
      else answer.reject(error);
    }
    if (isOfOne && group.length > 0) return await call(db, own);
    throw error;
  } finally {
    // Otherwise it took so long that another event has the turn.
    if (line.takenUntil === until) passOn(line);
  }
}

function takeGroup(line: Line, own: number): Waiting[] {
  let total = own;
  const tooMuch = line.waiting.findIndex(({ statements }) => (total += statements.length) > MAX_STATEMENTS);
  return line.waiting.splice(0, tooMuch === -1 ? line.waiting.length : tooMuch);
}

function passOn(line: Line): void {
  const next = line.waiting.shift();
  line.takenUntil = next === undefined ? 0 : Date.now() + TURN_MS;
  next?.answer.resolve("turn");
}

async function call(db: D1Database, statements: readonly D1PreparedStatement[]): Promise<D1Result[]> {
  const [only] = statements;
  return statements.length === 1 ? [await only!.all()] : db.batch([...statements]);
}
