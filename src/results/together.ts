/**
 * Calls to D1 that concurrent events of an isolate make together: those that come during a call share the next one, as one
 * transaction. D1 does one thing at a time and writes to disk once for each transaction, so under load the number of calls decides
 * the throughput.
 *
 * The event whose call has ended gives the turn to one of those that wait, and that one calls for all of them. An event may die
 * with a turn or a call, and a call may take long, so a turn keeps the others waiting for a moment only. What a dead event took with
 * it is repeated by each of the others: every statement is safe to repeat.
 */

import { troubleOf } from "./trouble.ts";
import { within } from "./within.ts";

/** Longer than D1 takes as a rule. A call that takes longer has the next one beside it. */
const TURN_MS = 100;

/** A call that another event makes may be lost with that event after this time. */
export const LOST_MS = 5_000;

/** These say that all statements together were too much, or too many for the event that made the call. */
const TOO_MUCH = /Too many (API requests|subrequests)|exceeded (timeout|its (CPU time|memory) limit)/i;

interface Waiting {
  statements: readonly D1PreparedStatement[];
  /** Another event calls for it. */
  isTaken: boolean;
  /** Its results; `turn`: its event is to call for those that wait; `alone`: its event is to call for it alone. */
  answer: PromiseWithResolvers<D1Result[] | "turn" | "alone">;
}

interface Line {
  /** Statements of one call at most. All of them count towards the limit of the event that makes it. */
  most: number;
  waiting: Waiting[];
  /** Until when an event has the turn, in ms since the epoch; 0: none has. */
  takenUntil: number;
}

const lines = new WeakMap<D1Database, Line>();

/** From now on calls to this database are shared, with at most so many statements in one. */
export function shareCalls(db: D1Database, most: number): void {
  if (!lines.has(db)) lines.set(db, { most, waiting: [], takenUntil: 0 });
}

/**
 * Runs these statements in one transaction, which those of other events may share; answers their results. The caller must be in an
 * event that lives until it has its answer.
 */
export async function callTogether(db: D1Database, statements: readonly D1PreparedStatement[]): Promise<D1Result[]> {
  const line = lines.get(db);
  if (line === undefined) return call(db, statements);
  if (line.takenUntil <= Date.now()) return takeTurn(db, line, statements);
  const mine: Waiting = { statements, isTaken: false, answer: Promise.withResolvers() };
  line.waiting.push(mine);
  for (;;) {
    const wasTaken = mine.isTaken;
    const patience = wasTaken ? LOST_MS : Math.max(1, line.takenUntil - Date.now());
    const answer = await within(mine.answer.promise, patience);
    if (answer === "turn") return takeTurn(db, line, statements);
    if (answer === "alone") return call(db, statements);
    if (answer !== "late") return answer;
    if (wasTaken) return call(db, statements);
    if (!mine.isTaken && line.takenUntil <= Date.now()) {
      line.waiting = line.waiting.filter((each) => each !== mine);
      return takeTurn(db, line, statements);
    }
  }
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
    const isOfOne = trouble === "final" || trouble === "full" || TOO_MUCH.test(String(error));
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
  const tooMuch = line.waiting.findIndex(({ statements }) => (total += statements.length) > line.most);
  const group = line.waiting.splice(0, tooMuch === -1 ? line.waiting.length : tooMuch);
  for (const each of group) each.isTaken = true;
  return group;
}

/** Where the one that gets the turn has died, the next of those that wait takes it when its time is over. */
function passOn(line: Line): void {
  const next = line.waiting.shift();
  line.takenUntil = next === undefined ? 0 : Date.now() + TURN_MS;
  next?.answer.resolve("turn");
}

async function call(db: D1Database, statements: readonly D1PreparedStatement[]): Promise<D1Result[]> {
  const [only] = statements;
  return statements.length === 1 ? [await only!.all()] : db.batch([...statements]);
}
