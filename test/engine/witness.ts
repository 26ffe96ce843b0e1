/**
 * Sees every change of every task's state, whatever statement makes it, and says what must not be.
 * The database itself writes down the moves, so nothing passes unseen between two looks.
 */

import {
  DEFAULT_RETENTION_MS,
  MAX_CRASHES,
  MAX_HISTORY,
  MAX_UNDO_CRASHES,
  TIMER_SLACK_MS,
} from "../../src/core/bounds.ts";
import { ARROWS, isTerminal, type State } from "../../src/core/states.ts";
import { historyOf, TASK_COLUMNS, type TaskRow } from "../../src/results/task-row.ts";
import type { Execute } from "./database-over.ts";

/** To be run once, after the migrations. */
export const WITNESS = [
  `CREATE TABLE moves (n INTEGER PRIMARY KEY, id TEXT NOT NULL, from_state TEXT NOT NULL, to_state TEXT,
     from_attempt INTEGER NOT NULL, to_attempt INTEGER, from_run INTEGER NOT NULL, to_run INTEGER, retain_until INTEGER)`,
  `CREATE TRIGGER moves_seen AFTER UPDATE ON tasks
   WHEN OLD.state <> NEW.state OR OLD.attempt <> NEW.attempt OR OLD.run <> NEW.run
   BEGIN
     INSERT INTO moves (id, from_state, to_state, from_attempt, to_attempt, from_run, to_run)
     VALUES (NEW.id, OLD.state, NEW.state, OLD.attempt, NEW.attempt, OLD.run, NEW.run);
   END`,
  `CREATE TRIGGER removals_seen AFTER DELETE ON tasks
   BEGIN
     INSERT INTO moves (id, from_state, from_attempt, from_run, retain_until)
     VALUES (OLD.id, OLD.state, OLD.attempt, OLD.run, OLD.retain_until);
   END`,
];

export interface Move {
  n: number;
  id: string;
  from: State;
  /** null: the row was removed. */
  to: State | null;
  fromAttempt: number;
  toAttempt: number | null;
  fromRun: number;
  toRun: number | null;
  retainUntil: number | null;
}

export interface Seen extends TaskRow {
  holder: string | null;
  cancelUndo: 0 | 1;
}

export interface Sight {
  rows: Map<string, Seen>;
  moves: Move[];
}

const MOVES = `SELECT n, id, from_state AS "from", to_state AS "to", from_attempt AS fromAttempt, to_attempt AS toAttempt,
  from_run AS fromRun, to_run AS toRun, retain_until AS retainUntil FROM moves WHERE n > ?1 ORDER BY n`;

/** All tasks, and the moves after number `after`. */
export async function look(execute: Execute, after: number): Promise<Sight> {
  const [tasks, moves] = await execute([
    { sql: `SELECT ${TASK_COLUMNS}, tasks.holder, tasks.cancel_undo AS cancelUndo FROM tasks`, params: [] },
    { sql: MOVES, params: [after] },
  ]);
  const rows = tasks!.results as unknown as Seen[];
  return { rows: new Map(rows.map((row) => [row.id, row])), moves: moves!.results as unknown as Move[] };
}

/** What must not have happened, in words; nothing where all is well. `now` is when the last of it happened. */
export function wrongMoves(moves: readonly Move[], now: number): string[] {
  return moves.flatMap((move) => {
    const what = `${move.id}: ${move.from} → ${move.to ?? "removed"}, attempt ${move.fromAttempt} → ${move.toAttempt}, run ${move.fromRun} → ${move.toRun}`;
    const why = faultOf(move, now);
    return why === null ? [] : [`${what}: ${why}`];
  });
}

function faultOf(move: Move, now: number): string | null {
  const { from, to } = move;
  if (to === null) {
    if (!isTerminal(from)) return "it was alive";
    return move.retainUntil === null || move.retainUntil > now ? "its retention was not over" : null;
  }
  if (!arrows(from, to)) return "no such arrow";
  const isClaim = to === "running";
  if (move.toAttempt !== move.fromAttempt + (isClaim ? 1 : 0)) return "attempts are counted by claims alone";
  if (move.toRun !== move.fromRun + (isTerminal(from) ? 1 : 0)) return "runs are counted by retries alone";
  return null;
}

function arrows(from: State, to: State): boolean {
  return Object.entries(ARROWS).some(
    ([verb, arrow]) =>
      // Only deliveries of webhooks are replayed.
      verb !== "replay" &&
      (arrow.from as readonly State[]).includes(from) &&
      (arrow.to as readonly State[]).includes(to),
  );
}

/** Longest time between two bells for a task that no worker takes. */
const LONGEST_BELL_MS = 600_000;

/** What is wrong with a row, in words. */
export function wrongWith(row: Seen, now: number): string[] {
  const wrong: string[] = [];
  const must = (holds: boolean, rule: string) => {
    if (!holds) wrong.push(`${row.id} (${row.state}, attempt ${row.attempt}): ${rule}`);
  };
  const due = row.dueAt ?? Infinity;
  const history = historyOf(row);
  const numbers = history.map((entry) => entry.number);
  must(row.failures <= row.maxAttempts, "it failed more often than it may");
  must(
    row.crashes <= (row.undo === null && !isTerminal(row.state) ? MAX_CRASHES : MAX_UNDO_CRASHES),
    "it was cut off more often than is allowed",
  );
  must(history.length <= MAX_HISTORY, "its history is too long");
  must(
    numbers.every((number, i) => number > (numbers[i - 1] ?? 0)),
    `its attempts are out of order: ${numbers.join(" ")}`,
  );
  must((numbers.at(-1) ?? 0) === row.attempt - (row.state === "running" ? 1 : 0), "its history misses an attempt");
  if (isTerminal(row.state)) {
    must(
      row.finishedAt !== null && row.retainUntil === row.finishedAt + row.retentionMs,
      "it does not say when it ended",
    );
    must(row.dueAt !== null || row.retentionMs === DEFAULT_RETENTION_MS, "nothing will remove it");
    must(row.leaseUntil === null, "an ended task has a lease");
    must(row.undo === null, "it has ended and is to undo its steps");
    must((row.error === null) === (row.state === "succeeded"), "only what has succeeded has no error");
    return wrong;
  }
  must(row.undo === null || row.state !== "waiting", "it is to undo its steps, and waits");
  must(row.finishedAt === null && row.retainUntil === null, "it lives and has an end");
  must(row.dueAt !== null || row.waitingFor !== null, "it lives, and nothing will ever wake it");
  must((row.state === "running") === (row.leaseUntil !== null), "a lease belongs to a running task, and to no other");
  if (row.state === "running") {
    must(row.holder !== null && row.startedAt !== null, "no worker holds it");
    must(due <= Math.max(row.leaseUntil!, now) + 2 * TIMER_SLACK_MS, "its lease ends long before the clock looks");
  }
  if (row.state === "queued") must(due <= now + LONGEST_BELL_MS, "its bell may be lost for too long");
  if (row.state === "scheduled" || row.state === "retrying") must(due <= row.runAt, "it starts late");
  if (row.startedAt === null && row.expiresAt !== null) must(due <= row.expiresAt, "it expires late");
  return wrong;
}
