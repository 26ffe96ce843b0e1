/** Figures over time. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";
import { MARK_KINDS, SERIES_SPANS, type SeriesSpan } from "../core/series.ts";
import { countsOf, quantilesSchema } from "./stats.ts";
import { TERMINAL_STATES } from "../core/states.ts";

export const SERIES_METRICS = ["ended", "wait", "run", "errors", "waits"] as const;

export type SeriesMetric = (typeof SERIES_METRICS)[number];

export const seriesSpanSchema = z.enum(Object.keys(SERIES_SPANS) as [SeriesSpan, ...SeriesSpan[]]);

/** Those of the metrics that were asked for. */
const figures = {
  /** Tasks that ended, by state. */
  ended: countsOf(TERMINAL_STATES).optional(),
  /** From when an attempt could have started until it did, in ms. */
  waitMs: quantilesSchema.optional(),
  /** From an attempt's start to its end, in ms. */
  runMs: quantilesSchema.optional(),
  errors: z.record(z.string(), z.int()).optional().describe("Attempts that went wrong, by the type of their error"),
  waits: z
    .record(z.string(), z.int())
    .optional()
    .describe(
      "How often tasks had to wait: attempts that waited a second or longer, under the limit that they have (`rate`, `concurrency`, `batch`, `circuit`) or else for their `lane`, and tasks that began to wait for a `retry`, a `snooze`, a `sleep`, a `signal` or other `tasks`",
    ),
};

export const seriesSchema = z
  .object({
    span: seriesSpanSchema,
    stepMs: z.int(),
    names: z.array(z.string()).describe("With `by`: the tasks or lanes that are told apart, the largest first"),
    items: z
      .array(
        z.object({
          /** Where the point begins; the last one goes on. */
          at: z.iso.datetime(),
          ...figures,
          groups: z
            .array(
              z.object({
                name: z.string().nullable().describe("Null: all that are not in `names`, taken together"),
                ...figures,
              }),
            )
            .optional()
            .describe("With `by`: the tasks or lanes that were counted in this point"),
        }),
      )
      .describe("Oldest first, a point for each step, also where nothing was counted"),
    marks: z
      .array(
        z.object({
          at: z.iso.datetime(),
          kind: z.enum(MARK_KINDS),
          lane: z.string().nullable(),
          version: z.string().nullable().describe("Of a deploy: the id of the Worker's version"),
        }),
      )
      .describe(
        "What happened to the service meanwhile, oldest first: new code, and lanes that were paused, drained and opened. To the minute for a day, to the hour for a month",
      ),
  })
  .meta({ id: "Series" });

export type Series = z.output<typeof seriesSchema>;
