/** The keys that sign links: their ids and times, never the keys themselves. */

import { z } from "zod";
import { durationSchema } from "../core/duration.ts";
import { DEFAULT_OVERLAP_MS } from "../core/link-keys.ts";

export const linkKeySchema = z
  .object({
    id: z.string(),
    signsFrom: z.iso.datetime().nullable().describe("When it begins to sign; null where the configuration says so"),
    holdsUntil: z.iso
      .datetime()
      .nullable()
      .describe("Links that it has signed are valid until then; null while it is not replaced"),
  })
  .meta({ id: "LinkKey" });

export type LinkKeyResource = z.output<typeof linkKeySchema>;

export const linkKeyListSchema = z.object({ items: z.array(linkKeySchema) }).meta({ id: "LinkKeyList" });

export const rotateLinkKeySchema = z
  .strictObject({
    overlap: durationSchema(0, DEFAULT_OVERLAP_MS)
      .optional()
      .meta({ description: "How long what was signed before holds, a year unless given; 0 where a key has leaked" }),
  })
  .meta({ id: "RotateLinkKey" });
