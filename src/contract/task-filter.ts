/**
 * The filters of lists of tasks, and of the verbs that act on many: the one table of them. The parameters of the list, the bodies
 * of the verbs and the client's type come from it; `results/task-filter.ts` has the condition of each.
 */

import { z } from "zod";
import { LANES } from "../core/bounds.ts";
import { durationSchema } from "../core/duration.ts";
import { TASK_ID } from "../core/id-time.ts";
import { isSearch } from "../core/search.ts";
import { instantSchema } from "./submission.ts";

const idSchema = z.string().regex(TASK_ID, "not the id of a task");

/** All but `state` and `tags`, which a query writes in another way than a body. */
const FILTERS = {
  /** The task's name. */
  task: z.string().max(100),
  lane: z.string().meta({ examples: [...LANES] }),
  /** ISO 8601, exclusive, like the other three. */
  createdAfter: instantSchema,
  createdBefore: instantSchema,
  finishedAfter: instantSchema,
  finishedBefore: instantSchema,
  /** The type of its error, such as `"timeout"`, or the id of a group of errors. */
  error: z
    .string()
    .max(200)
    .meta({ description: "The type of the task's error, or the id of a group of errors", examples: ["timeout"] }),
  flowId: z.string(),
  /** The beginning of an id, or words of the input, the tags and the error message, where the definition is `searchable`. */
  q: z
    .string()
    .max(200)
    .refine(isSearch, "no word, and not the beginning of an id")
    .meta({
      description:
        "The beginning of an id, or words that are all in the input, the tags or the error message of a task whose definition is `searchable`: the newest 2,000 of those",
      examples: ["task_01hf7yat", "oslo invoice"],
    }),
  /** The id of a task: finds the tasks that it spawned or, in its flow, released. */
  parentId: idSchema.meta({ description: "What this task has spawned or, in its flow, released" }),
  /** The id of a task: finds it, and all tasks that descend from it. */
  rootId: idSchema.meta({ description: "This task, and all tasks that descend from it" }),
  /** The id of a schedule: finds the tasks of its ticks. */
  schedule: z.string().max(200).meta({ description: "Ticks of this schedule" }),
  /** A duration: how long its latest attempt has waited since it could start. */
  waitLongerThan: durationSchema(1).meta({
    description: "Since its latest attempt could start, until it did or, while it is queued, until now",
    examples: ["5m"],
  }),
  /** A duration: how long its latest attempt has run. */
  runLongerThan: durationSchema(1).meta({
    description: "The latest attempt, until its end or, while it runs, until now",
    examples: ["1h"],
  }),
};

/** As members of a body. */
export const filterSchema = z.strictObject(FILTERS).partial();

/** A duration in a query, where numbers are text. */
const inQuery = (schema: ReturnType<typeof durationSchema>) =>
  z.preprocess((text) => (typeof text === "string" && /^\d{1,15}$/.test(text) ? Number(text) : text), schema);

/** As parameters of a query. */
export const filterQuery = {
  ...filterSchema.shape,
  waitLongerThan: inQuery(FILTERS.waitLongerThan).optional(),
  runLongerThan: inQuery(FILTERS.runLongerThan).optional(),
};

/** What a client gives. */
export type FilterInput = z.input<typeof filterSchema>;

/** The same, parsed: durations are ms, instants ms since the epoch. */
export type FilterValues = z.output<typeof filterSchema>;

/** The filters among the members of a query. */
export function filtersIn(query: FilterValues): FilterValues {
  const names = Object.keys(FILTERS) as (keyof FilterValues)[];
  return Object.fromEntries(names.map((name) => [name, query[name]]));
}
