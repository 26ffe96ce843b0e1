/** Failures that are the same error. Instants are ISO 8601 UTC with milliseconds. */

import { z } from "zod";
import { GROUP_STATES } from "../core/error-groups.ts";

const instant = z.iso.datetime();

export const errorGroupSchema = z
  .object({
    /** Also a value of the filter `error` of lists and bulk verbs. */
    id: z.string(),
    task: z.string(),
    type: z.string(),
    message: z.string().describe("Without ids, numbers and what is in quotes"),
    count: z.int().describe("Tasks that ended so"),
    firstAt: instant,
    lastAt: instant,
    sampleIds: z.array(z.string()).describe("Of the latest tasks, the newest first; they may be purged by now"),
    tags: z
      .array(z.object({ name: z.string(), value: z.string(), count: z.int() }))
      .describe("The tags that most of them have"),
    state: z.enum(GROUP_STATES),
    /** Since when; null where it was always open. */
    stateAt: instant.nullable(),
    untilCount: z.int().nullable().describe("The count at which an ignored group opens again; null: never"),
    omitted: z
      .array(z.string())
      .optional()
      .describe("Members that the key may not read, and which are therefore empty"),
  })
  .meta({ id: "ErrorGroup" });

export type ErrorGroupResource = z.output<typeof errorGroupSchema>;

export const errorGroupListSchema = z
  .object({ items: z.array(errorGroupSchema), nextCursor: z.string().nullable() })
  .meta({ id: "ErrorGroupList" });

export const ignoreErrorSchema = z
  .strictObject({
    untilCount: z.int().min(1).optional().describe("Opens it again when so many tasks in all have ended with it"),
  })
  .meta({ id: "IgnoreError" });
