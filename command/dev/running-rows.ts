/** The attempts that run, read from the database's file: a runtime that is held up answers nothing. */

import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { STATE } from "./state-files.ts";

/** The time limit for a task whose own limit is not known; see `core/bounds.ts`. */
const DEFAULT_LIMIT_MS = 25_000;

/** A running attempt. Instants are ms since the epoch. */
export interface Running {
  id: string;
  task: string;
  attempt: number;
  startedAt: number;
  limitMs: number;
}

type Row = { id: string; task: string; attempt: number; started_at: number; options: string | null };

/**
 * The attempts that started after `bootAt` and run, the latest first. `limits`: the time limit of each task's attempts, in ms.
 * An empty list where the database cannot be read.
 */
export function readRunning(persist: string, bootAt: number, limits: ReadonlyMap<string, number>): Running[] {
  return globSync(join(persist, STATE, "d1/*/*.sqlite"))
    .flatMap((file) => rowsOf(file, bootAt))
    .map(({ id, task, attempt, started_at: startedAt, options }) => {
      const { timeoutMs } = JSON.parse(options ?? "{}") as { timeoutMs?: number };
      return { id, task, attempt, startedAt, limitMs: timeoutMs ?? limits.get(task) ?? DEFAULT_LIMIT_MS };
    })
    .toSorted((a, b) => b.startedAt - a.startedAt);
}

function rowsOf(file: string, bootAt: number): Row[] {
  try {
    using database = new DatabaseSync(file, { readOnly: true });
    const sql = "SELECT id, task, attempt, started_at, options FROM tasks WHERE state = 'running' AND started_at >= ?";
    return database.prepare(sql).all(bootAt) as Row[];
  } catch {
    // Another of the project's databases, or one that was removed.
    return [];
  }
}
