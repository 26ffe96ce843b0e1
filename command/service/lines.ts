/** What is printed of tasks: lines and tables. */

import type { TaskEvent } from "../../src/client/events.ts";
import type { TaskResource } from "../../src/contract/task.ts";
import { paint, type Colour } from "../paint.ts";

const COLOURS: Partial<Record<TaskResource["state"], Colour>> = {
  succeeded: "green",
  failed: "red",
  expired: "red",
  retrying: "yellow",
  cancelled: "yellow",
  running: "cyan",
};

/** `state`, padded, in its colour. */
export function stateText(state: TaskResource["state"]): string {
  const colour = COLOURS[state];
  return colour === undefined ? state.padEnd(9) : paint(colour, state.padEnd(9));
}

/** One line on a task: when, its state, name and id, and how it went. */
export function taskLine({ state, task, id, attempt, error, result, updatedAt }: TaskLine): string {
  const known = state === "succeeded" && result !== undefined ? JSON.stringify(result) : "";
  const how = error === null ? known : `${error.type}: ${error.message}`;
  return `${timeOf(updatedAt)}  ${stateText(state)}  ${task}  ${id}${attempt > 1 ? `  attempt ${attempt}` : ""}  ${shortened(how)}`.trimEnd();
}

export type TaskLine = Pick<TaskResource, "state" | "task" | "id" | "attempt" | "error"> & {
  result?: unknown;
  updatedAt: string;
};

/** One line on an event of a task. */
export function eventLine({ at, type, data }: TaskEvent): string {
  const time = timeOf(at);
  if (type === "state") return `${time}  ${stateText(data.state)}  attempt ${data.attempt}`;
  if (type === "done") return taskLine({ ...data, updatedAt: at });
  if (type === "log")
    return `${time}  ${data.level.padEnd(9)}  ${data.message}${data.data === undefined ? "" : ` ${JSON.stringify(data.data)}`}`;
  if (type === "progress") {
    const share = data.percent === null ? "" : `  ${Math.round(data.percent)} %`;
    return `${time}  progress   ${data.done}${data.total === null ? "" : ` of ${data.total}`}${share}${data.message === null ? "" : `  ${data.message}`}`;
  }
  return `${time}  ${type.padEnd(9)}  ${shortened(JSON.stringify(data))}`;
}

/** Rows below a heading, in columns as wide as they need. */
export function table(heading: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = [heading, ...rows].map((row) => row.map(String));
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const isNumber = (column: number) => rows.length > 0 && rows.every((row) => typeof row[column] === "number");
  return all
    .map((row) =>
      row
        .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function timeOf(instant: string): string {
  return paint("gray", instant.slice(11, 23));
}

function shortened(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)} …` : text;
}
