/** What the list of tasks and the bulk verbs have in common: members of a filter that find tasks by their kin and by their times. */

import { z } from "zod";
import { durationSchema } from "../../core/duration.ts";
import { isTaskId } from "../../engine/ids.ts";
import type { Sort, SortedPlace } from "../../results/sort-tasks.ts";

const idSchema = z.string().refine(isTaskId, "not the id of a task");

export const findShape = {
  parentId: idSchema.meta({ description: "What this task has spawned or, in its flow, released" }),
  rootId: idSchema.meta({ description: "This task, and all that goes back to it" }),
  schedule: z.string().max(200).meta({ description: "Ticks of this schedule" }),
  waitLongerThan: durationSchema(1).meta({
    description: "Since its latest attempt could start, until it did or, while it is queued, until now",
    examples: ["5m"],
  }),
  runLongerThan: durationSchema(1).meta({
    description: "The latest attempt, until its end or, while it runs, until now",
    examples: ["1h"],
  }),
};

/** A duration in a query, where numbers are text. */
const inQuery = (schema: typeof findShape.waitLongerThan) =>
  z.preprocess((text) => (typeof text === "string" && /^\d{1,15}$/.test(text) ? Number(text) : text), schema);

/** The same as query parameters, and how a list is ordered and counted. */
export const findQuery = {
  parentId: findShape.parentId.optional(),
  rootId: findShape.rootId.optional(),
  schedule: findShape.schedule.optional(),
  waitLongerThan: inQuery(findShape.waitLongerThan).optional(),
  runLongerThan: inQuery(findShape.runLongerThan).optional(),
  sort: z.enum(["created", "finished", "duration"]).optional().meta({
    description:
      "Newest first unless given. `finished`: latest end first; `duration`: longest latest attempt first. Those two list what has ended, sorted in stretches of 16,000 tasks as they were made",
  }),
  count: z.enum(["estimate"]).optional().meta({ description: "Adds how many the filter finds" }),
};

const PLACE = /^(finished|duration):([^:]+):([^:]*):(?:(-?\d{1,16}):([^:]+))?$/;

/** A place in a sorted list as text for a cursor. */
export function placeText(sort: Sort, { start, end, after }: SortedPlace): string {
  return `${sort}:${start}:${end ?? ""}:${after === null ? "" : `${after.value}:${after.id}`}`;
}

/** Whether the text is a place in a list that is sorted so. */
export function isPlaceOf(sort: Sort): (text: string) => boolean {
  return (text) => {
    const [, given, start = "", end, , id] = PLACE.exec(text) ?? [];
    return given === sort && isTaskId(start) && (!end || isTaskId(end)) && (id === undefined || isTaskId(id));
  };
}

/** The place, of a text that is one. */
export function placeOfText(text: string): SortedPlace {
  const [, , start = "", end = "", value, id] = PLACE.exec(text) ?? [];
  return { start, end: end || null, after: id === undefined ? null : { value: Number(value), id } };
}
