/** How a list of tasks is ordered and counted. */

import { z } from "zod";
import { isTaskId } from "../../engine/ids.ts";
import type { Sort, SortedPlace } from "../../results/sort-tasks.ts";

export const sortQuery = {
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

/** The place that a text stands for; {@link isPlaceOf} has checked the text. */
export function placeOfText(text: string): SortedPlace {
  const [, , start = "", end = "", value, id] = PLACE.exec(text) ?? [];
  return { start, end: end || null, after: id === undefined ? null : { value: Number(value), id } };
}
