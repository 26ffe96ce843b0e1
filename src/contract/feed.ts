/** What changes among a tenant's tasks, told about once a second. */

import { z } from "zod";
import { STATES } from "../core/states.ts";

const state = z.enum(STATES);

export const feedFrameSchema = z
  .object({
    at: z.iso.datetime(),
    changed: z
      .array(z.object({ id: z.string(), task: z.string(), lane: z.string(), state }))
      .describe("Tasks that were made or have changed their state since the last frame, each once, as they are now"),
    more: z.int().describe("How many more have changed, at least: the next frames name them"),
    missed: z.boolean().describe("Changes before this frame may have been missed: read again what is shown"),
    counts: z.object({
      live: z
        .array(z.object({ task: z.string(), lane: z.string(), state, count: z.int() }))
        .describe("Tasks that have not ended, by task, lane and state"),
      capped: z.boolean().describe("There are too many to count: each count is a lower bound"),
    }),
  })
  .meta({ id: "FeedFrame" });

export type FeedFrame = z.output<typeof feedFrameSchema>;
