/** A schedule as it lies in D1. JSON columns stay text until they are needed; instants are ms since the epoch. */

export interface ScheduleRow {
  tenant: string;
  id: string;
  source: "api" | "code";
  /** JSON text: what was put, without the input. */
  spec: string;
  /** JSON text, without what is secret in it; null where none was given. */
  input: string | null;
  /** What is secret in the input and the options; null: nothing is. */
  sealed: string | null;
  paused: number;
  anchor: number;
  nextAt: number | null;
  lastTask: string | null;
  /** JSON array, the newest first. */
  lastRuns: string;
  /** The fencing token of every change. */
  revision: number;
  createdAt: number;
  updatedAt: number;
}

/** The columns of {@link ScheduleRow} but for the input, which may be large. */
const SMALL_COLUMNS = `tenant, id, source, spec, paused, anchor, next_at AS nextAt, last_task AS lastTask,
  last_runs AS lastRuns, revision, created_at AS createdAt, updated_at AS updatedAt`;

/** The columns of {@link ScheduleRow} for a SELECT from `schedules`, or a RETURNING. */
export const SCHEDULE_COLUMNS = `${SMALL_COLUMNS}, input, sealed`;

/** The same with the length of the input and its secrets instead of what they are. */
export const DUE_COLUMNS = `${SMALL_COLUMNS}, COALESCE(octet_length(input), 0) + COALESCE(octet_length(sealed), 0) AS inputBytes`;
