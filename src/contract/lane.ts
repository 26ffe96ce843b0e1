/** Lanes: the queues that tasks run on. */

import { z } from "zod";
import { LANES } from "../core/bounds.ts";
import { instantSchema } from "./submission.ts";

/** A paused lane accepts and keeps tasks, and nothing in it starts; one that drains finishes what it has and accepts nothing new. */
export const laneSchema = z
  .object({
    name: z.enum(LANES),
    paused: z.boolean(),
    draining: z.boolean(),
    /** Why it is paused or draining, where a reason was given. */
    reason: z.string().nullable(),
    /** When the pause or the draining ends by itself. */
    until: z.iso.datetime().nullable(),
    queued: z.int(),
    running: z.int(),
    /** Since when the oldest of the counted queued tasks could have started; null where none waits. */
    oldestWaitingSince: z.iso.datetime().nullable(),
    /** True where there was too much to count: the counts are then lower bounds. */
    capped: z.boolean(),
    /** Messages that wait in its queue, each for up to a hundred tasks; null where the queue does not say. */
    backlog: z.int().nullable(),
  })
  .meta({ id: "Lane" });

export type LaneResource = z.output<typeof laneSchema>;

export const laneListSchema = z.object({ items: z.array(laneSchema) }).meta({ id: "LaneList" });

export const pauseLaneSchema = z
  .strictObject({ reason: z.string().max(500).optional(), until: instantSchema.optional() })
  .meta({ id: "PauseLane", description: "Why, and until when" });
