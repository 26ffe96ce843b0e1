/** What a client may change of a task that has not started. Instants parse to ms since the epoch. */

import { z } from "zod";
import { LANES, MAX_ATTEMPTS } from "../core/bounds.ts";
import { instantSchema, tagsSchema } from "./submission.ts";

export const taskChangeSchema = z
  .strictObject({
    runAt: instantSchema,
    lane: z.enum(LANES),
    input: z.unknown(),
    tags: tagsSchema,
    maxAttempts: z.int().min(1).max(MAX_ATTEMPTS),
    expiresAt: instantSchema.nullable(),
  })
  .partial()
  .refine((change) => Object.keys(change).length > 0, "name at least one member that is to change")
  .meta({ id: "TaskChange" });

export type TaskChangeInput = z.input<typeof taskChangeSchema>;
