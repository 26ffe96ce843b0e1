/** What every statement that ends a task sets, as SQL. */

import { DEFAULT_RETENTION_MS } from "../core/bounds.ts";
import { PURGE_EVERY_MS, TOLD } from "../core/wake.ts";

/** How long the clock gives the worker to tell a watched task's listeners before it does so itself. */
const TELL_MS = 5_000;

/**
 * The values that follow from the end of a row of `tasks` at `at`, by column. `at` and `object` are SQL. A commit, which may
 * or may not end its task, takes them one by one; other statements take {@link ends}.
 */
export function endColumns(
  at: string,
  object = "tasks.object",
): Record<"finished_at" | "retain_until" | "due_at", string> {
  return { finished_at: at, retain_until: `${at} + tasks.retention_ms`, due_at: dueWhenEnded(at, object) };
}

/** The assignments of every statement that ends rows of `tasks`, as SQL. All parameters are SQL, `error` of JSON. */
export function ends(state: string, error: string, at = "?2"): string {
  const columns = { state, error, waiting_for: "NULL", ...endColumns(at) };
  return Object.entries(columns)
    .map(([column, value]) => `${column} = ${value}`)
    .join(", ");
}

/**
 * `due_at` of a task that ends at `at`: soon if its progress object must be told, else when it is
 * purged; null where the retention walk finds it. The same rule as `purgeDue` in `core/wake.ts`.
 */
export function dueWhenEnded(at: string, object = "tasks.object"): string {
  return `CASE
    WHEN ${object} & ${TOLD} THEN ${at} + ${TELL_MS}
    WHEN tasks.retention_ms = ${DEFAULT_RETENTION_MS} AND ${at} - tasks.created_at < ${DEFAULT_RETENTION_MS / 2} THEN NULL
    ELSE ${nextPurge(`${at} + tasks.retention_ms`)} END`;
}

/** The first time at or after `at`, an SQL expression, at which the clock purges. The same rule as `nextPurge` in `core/wake.ts`. */
export function nextPurge(at: string): string {
  return `(CAST(${at} AS INTEGER) + ${PURGE_EVERY_MS - 1}) / ${PURGE_EVERY_MS} * ${PURGE_EVERY_MS}`;
}

/** The value of `undo` of a task that ends with `state` and `error` once its steps are undone: SQL expressions, `error` of JSON. */
export function undoing(state: string, error: string): string {
  return `json_object('state', ${state}, 'error', json(${error}))`;
}

/** The error of a cancelled task; `reason` is an SQL expression that may be null. */
export function cancelledError(reason: string): string {
  return `json_object('type', 'cancelled', 'message', COALESCE('cancelled: ' || ${reason}, 'cancelled on request'))`;
}
